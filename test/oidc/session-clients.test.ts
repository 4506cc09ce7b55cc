/** Each client of a session is notified when the session ends, even after simultaneous sign-ins. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'
import { answerIn, claimsIn } from './support.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const count = 8
let one: Latchkey
/** Another server on the same database, for the same issuer. */
let two: Latchkey
const told: { clientId: string; sid: unknown }[] = []
const receiver = createServer(async (request, response) => {
  const token = new URLSearchParams(await text(request)).get('logout_token') ?? ''
  const { aud, sid } = decodeJwt(token)
  told.push({ clientId: String(aud), sid })
  response.end()
})

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, 'localhost', resolve))
  one = await startLatchkey()
  two = await startLatchkey({ env: { ISSUER: one.issuer }, database: one.shared, clock: one.clock })
  const uri = `http://localhost:${(receiver.address() as AddressInfo).port}/`
  for (let index = 0; index < count; index += 1) {
    await one.parts.clients.add(
      {
        clientId: `app-${index}`,
        kind: 'web',
        secret: webSecret,
        isFirstParty: true,
        metadata: {
          client_name: `App ${index}`,
          redirect_uris: [callback],
          scope: 'openid',
          backchannel_logout_uri: `${uri}${index}`,
        },
      },
      operator,
    )
  }
})
afterAll(async () => {
  await two.stop()
  await one.stop()
  receiver.close()
})

/** Alice's browser with a session, and one simultaneous authorization request for each client. */
async function openAtOnce(servers: readonly Latchkey[]) {
  const rp = createRelyingParty(one)
  await rp.signIn({ client_id: 'web' })
  const pages = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const url = await rp.authorizeUrl({ client_id: `app-${index}`, prompt: 'none' })
      const at = servers[index % servers.length]!
      return rp.browser.get(url.replace(one.issuer, at.base), {
        Cookie: await rp.browser.jar.getCookieString(one.issuer),
        Host: new URL(one.issuer).host,
      })
    }),
  )
  const idTokens = await Promise.all(
    pages.map(async (page, index) => {
      const { code } = answerIn(page)
      const answer = await rp.exchange(code!, { client_id: `app-${index}`, client_secret: webSecret })
      return answer.body.id_token as string
    }),
  )
  return { rp, idTokens }
}

test.each([1, 2])(
  `all ${count} apps that sign in concurrently in one session get a logout, at %i servers`,
  async (servers) => {
    told.splice(0)
    const { rp, idTokens } = await openAtOnce([one, two].slice(0, servers))
    const account = (await one.parts.accounts.findByEmail('alice@example.com'))!
    const { sessions } = await one.parts.revocation.listAccess(account.id)
    const all = Array.from({ length: count }, (_, index) => `app-${index}`)
    expect(sessions.some(({ clientIds }) => all.every((id) => clientIds.includes(id)))).toBe(true)
    await rp.browser.get(`${one.issuer}/logout?${new URLSearchParams({ id_token_hint: idTokens[0]! })}`)
    await waitFor(() => told.length >= count)
    expect(told.map(({ clientId }) => clientId).sort()).toEqual(all)
    // Each with the sid of its ID token.
    for (const [index, token] of idTokens.entries()) {
      expect(told.find(({ clientId }) => clientId === `app-${index}`)?.sid).toBe(claimsIn(token).sid)
    }
  },
)

test('two tabs of one app have the same sid, another app has another one', async () => {
  const rp = createRelyingParty(one)
  const first = claimsIn((await rp.signIn({ client_id: 'web' })).id_token)
  const open = async (clientId: string) => {
    const { code } = answerIn(await rp.browser.get(await rp.authorizeUrl({ client_id: clientId, prompt: 'none' })))
    const credentials = { client_id: clientId, client_secret: webSecret }
    return claimsIn((await rp.exchange(code!, credentials)).body.id_token)
  }
  expect((await open('web')).sid).toBe(first.sid)
  expect((await open('app-0')).sid).not.toBe(first.sid)
  const other = createRelyingParty(one)
  expect(claimsIn((await other.signIn({ client_id: 'web' })).id_token).sid).not.toBe(first.sid)
})

test('the client rows of an expired session are deleted with it', async () => {
  const { knex } = one.database
  const countRows = async () => Number((await knex('session_client').count({ count: '*' }).first())?.count)
  expect(await countRows()).toBeGreaterThan(0)
  one.clock.advance(40 * 86_400_000)
  for (let rounds = 0; rounds < 20 && (await one.parts.artifacts.sweep(1000)) > 0; rounds += 1);
  expect(await countRows()).toBe(0)
})
