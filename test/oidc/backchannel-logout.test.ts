/** OpenID Connect Back-Channel Logout 1.0: the notified clients, the tokens and the retries. */
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { createLogout, logoutTask } from '../../src/logout/service.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, testPassword, webSecret } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'
import { claimsIn } from './support.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
let server: Latchkey
const sites: Server[] = []
let names = 0

beforeAll(async () => {
  server = await startLatchkey()
})
afterEach(() => {
  for (const site of sites.splice(0)) {
    site.closeAllConnections()
    site.close()
  }
})
afterAll(() => server.stop())

type Received = { token: string; contentType: string | undefined }
type Answer = (request: IncomingMessage, response: ServerResponse) => void
const accept: Answer = (_request, response) => response.end()

/** A relying party on this machine, and the logout tokens that it has received. */
async function createSite(answer: Answer = accept, metadata: Record<string, unknown> = {}) {
  const received: Received[] = []
  const site = createServer(async (request, response) => {
    const body = new URLSearchParams(await text(request))
    received.push({ token: body.get('logout_token') ?? '', contentType: request.headers['content-type'] })
    answer(request, response)
  })
  sites.push(site)
  site.listen(0, 'localhost')
  await once(site, 'listening')
  names += 1
  const clientId = `site-${names}`
  const uri = `http://localhost:${(site.address() as AddressInfo).port}/backchannel`
  await server.addClient({
    clientId,
    kind: 'web',
    secret: webSecret,
    metadata: {
      client_name: 'Site',
      redirect_uris: [callback],
      scope: 'openid offline_access',
      backchannel_logout_uri: uri,
      ...metadata,
    },
  })
  return { clientId, received, uri }
}

const asClient = (clientId: string) => ({ client_id: clientId, client_secret: webSecret })

/** Alice's browser, signed in at each of `clientIds`, and the ID tokens in that order. */
async function signedInAt(...clientIds: string[]) {
  const rp = createRelyingParty(server)
  const idTokens: string[] = []
  for (const clientId of clientIds) {
    const { code } = await rp.authorize({ client_id: clientId })
    idTokens.push((await rp.exchange(code!, asClient(clientId))).body.id_token)
  }
  return { rp, idTokens }
}

const logOut = (rp: ReturnType<typeof createRelyingParty>, hint: string) =>
  rp.browser.get(`${server.issuer}/logout?${new URLSearchParams({ id_token_hint: hint })}`)

const deliveries = (clientId: string) => server.parts.logout.list({ clientId })
const settled = (clientId: string, state: string) =>
  waitFor(async () => (await deliveries(clientId))[0]?.state === state, { what: `a delivery that is ${state}` })

/** The stored failures of a client that was slow or silent. */
const receiver = async (clientId: string): Promise<{ failures: number } | undefined> =>
  server.database.knex('logout_receiver').select('failures').where({ client_id: clientId }).first()
const jobsOf = async (clientId: string): Promise<number> => {
  const { rows } = await server.database.knex.raw(
    `SELECT count(*) AS count FROM graphile_worker._private_jobs WHERE payload->>'clientId' = ? AND locked_at IS NULL`,
    [clientId],
  )
  return Number(rows[0].count)
}

/** Removes the waiting jobs. Removing a running job would leave its queue locked. */
const loseJobs = (clientId: string) =>
  server.database.knex.raw(
    `DELETE FROM graphile_worker._private_jobs WHERE payload->>'clientId' = ? AND locked_at IS NULL`,
    [clientId],
  )

/** Makes the waiting retries due now, because the queue has its own clock. */
const makeDue = () =>
  server.database.knex.raw(`UPDATE graphile_worker._private_jobs SET run_at = now() WHERE locked_at IS NULL`)

describe('the logout token (§2.4)', () => {
  test('verifies with the published keys, names the session by sid and the user by sub, and has no nonce', async () => {
    const site = await createSite()
    const { rp, idTokens } = await signedInAt(site.clientId)
    await logOut(rp, idTokens[0]!)
    await settled(site.clientId, 'delivered')
    const [{ token, contentType }] = site.received as [Received]
    expect(contentType).toBe('application/x-www-form-urlencoded')
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/jwks`))
    const currentDate = new Date(server.clock.now())
    const options = { issuer: server.issuer, audience: site.clientId, typ: 'logout+jwt', currentDate }
    const { payload, protectedHeader } = await jwtVerify(token, keys, options)
    const { sub, sid } = claimsIn(idTokens[0]!)
    expect(payload).toEqual({
      iss: server.issuer,
      aud: site.clientId,
      iat: expect.any(Number),
      exp: payload.iat! + 120,
      jti: expect.any(String),
      sub,
      sid,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    })
    expect(protectedHeader).toEqual({ alg: 'RS256', kid: expect.any(String), typ: 'logout+jwt' })
  })

  test('is signed with the algorithm of the client’s ID tokens (§2.6), by the key that signs now', async () => {
    const site = await createSite(accept, { id_token_signed_response_alg: 'EdDSA' })
    const { rp, idTokens } = await signedInAt(site.clientId)
    await logOut(rp, idTokens[0]!)
    await settled(site.clientId, 'delivered')
    expect(decodeProtectedHeader(site.received[0]!.token).alg).toBe('EdDSA')
  })
})

describe('the end of a session is delivered to every client of the session,', () => {
  test('each with its own sid, and to no other client', async () => {
    const [one, two, bystander] = [await createSite(), await createSite(), await createSite()]
    const { rp, idTokens } = await signedInAt(one.clientId, two.clientId)
    const other = await signedInAt(bystander.clientId, one.clientId)
    await logOut(rp, idTokens[0]!)
    await Promise.all([settled(one.clientId, 'delivered'), settled(two.clientId, 'delivered')])
    expect(one.received.map(({ token }) => decodeJwt(token).sid)).toEqual([claimsIn(idTokens[0]!).sid])
    expect(two.received.map(({ token }) => decodeJwt(token).sid)).toEqual([claimsIn(idTokens[1]!).sid])
    expect(await deliveries(bystander.clientId)).toEqual([])
    await logOut(other.rp, other.idTokens[0]!)
    await settled(bystander.clientId, 'delivered')
  })

  test('exactly once: the engine does not send it a second time', async () => {
    const site = await createSite()
    const { rp, idTokens } = await signedInAt(site.clientId)
    const page = await rp.browser.get(`${server.issuer}/logout`)
    await rp.browser.submit(page, '/confirm', { logout: 'yes' })
    await settled(site.clientId, 'delivered')
    expect(site.received).toHaveLength(1)
    expect(decodeJwt(site.received[0]!.token).sid).toBe(claimsIn(idTokens[0]!).sid)
  })

  test('for a new password, a disabled account, a sign-out everywhere, one revoked session, and a revocation of everything', async () => {
    const { accounts, revocation } = server.parts
    const alice = (await accounts.findByEmail('alice@example.com'))!.id
    const endings: [string, () => Promise<unknown>][] = [
      ['password', () => accounts.setPassword(alice, testPassword, operator)],
      [
        'disable',
        async () => {
          await accounts.disable(alice, operator)
          await accounts.enable(alice, operator)
        },
      ],
      ['everywhere', () => revocation.revokeAccount(alice, operator)],
      [
        'one session',
        async () => {
          const { sessions } = await revocation.listAccess(alice)
          await Promise.all(sessions.map(({ handle }) => revocation.revokeSession(handle, operator)))
        },
      ],
      ['everything', () => revocation.revokeAll('now', operator)],
    ]
    for (const [name, end] of endings) {
      const site = await createSite()
      const { idTokens } = await signedInAt(site.clientId)
      server.clock.advance(1)
      await end()
      await settled(site.clientId, 'delivered')
      expect([name, site.received.map(({ token }) => decodeJwt(token).sid)]).toEqual([
        name,
        [claimsIn(idTokens[0]!).sid],
      ])
      server.clock.advance(1)
    }
  })

  test('but not when the transaction that ends the session is rolled back', async () => {
    const site = await createSite()
    await signedInAt(site.clientId)
    const alice = (await server.parts.accounts.findByEmail('alice@example.com'))!.id
    const undone = server.database.transaction(async (tx) => {
      await server.parts.artifacts.endAccount(tx, alice)
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    expect(await deliveries(site.clientId)).toEqual([])
  })
})

describe('a relying party that does not answer 200 (§2.8)', () => {
  async function loggedOutAt(site: Awaited<ReturnType<typeof createSite>>) {
    const { rp, idTokens } = await signedInAt(site.clientId)
    await logOut(rp, idTokens[0]!)
  }

  test.each<[string, Answer, string]>([
    ['is broken', (_request, response) => response.writeHead(500).end(), 'status_500'],
    ['has no such page', (_request, response) => response.writeHead(404).end(), 'status_404'],
    ['redirects', (_request, response) => response.writeHead(302, { location: '/' }).end(), 'redirected'],
    ['hangs up', (request) => request.socket.destroy(), 'unreachable'],
    [
      'answers without end',
      (_request, response) => void response.writeHead(200, { 'content-length': '999999' }).end('x'),
      'too_large',
    ],
  ])('and %s gets the logout again later, with a new token', async (_case, answer, failure) => {
    let isWell = false
    const site = await createSite((request, response) => (isWell ? accept : answer)(request, response))
    await loggedOutAt(site)
    await waitFor(async () => (await deliveries(site.clientId))[0]?.lastFailure === failure)
    expect(await deliveries(site.clientId)).toMatchObject([{ state: 'waiting', attempts: 1 }])
    isWell = true
    server.clock.advance(10 * 60_000)
    await makeDue()
    await settled(site.clientId, 'delivered')
    const tokens = site.received.map(({ token }) => decodeJwt(token))
    expect(tokens.at(-1)!.iat! - tokens[0]!.iat!).toBeGreaterThanOrEqual(600)
    expect(tokens.at(-1)!.jti).not.toBe(tokens[0]!.jti)
  })

  test('status 204 counts as delivered too; status 400 is a refusal and is not repeated, except by an operator', async () => {
    const noContent = await createSite((_request, response) => response.writeHead(204).end())
    await loggedOutAt(noContent)
    await settled(noContent.clientId, 'delivered')
    let status = 400
    const refusing = await createSite((_request, response) => response.writeHead(status).end('{"error":"x"}'))
    await loggedOutAt(refusing)
    await settled(refusing.clientId, 'given_up')
    expect(refusing.received).toHaveLength(1)
    const { id } = (await deliveries(refusing.clientId))[0]!
    status = 200
    await server.parts.logout.retry(id, operator)
    await settled(refusing.clientId, 'delivered')
    await expect(server.parts.logout.retry(id, operator)).rejects.toMatchObject({ code: 'logout_delivery_done' })
    await expect(server.parts.logout.retry('x', operator)).rejects.toMatchObject({ code: 'logout_delivery_not_found' })
  })

  test('a delivery fails for good after its last attempt, and an operator can retry it', async () => {
    let isWell = false
    const site = await createSite((_request, response) => response.writeHead(isWell ? 200 : 503).end())
    await loggedOutAt(site)
    await waitFor(async () => (await deliveries(site.clientId))[0]?.attempts === 1)
    const last = { attempts: 24, next_at: 0 }
    await server.database.knex('logout_delivery').where({ client_id: site.clientId }).update(last)
    await waitFor(async () => {
      await makeDue()
      return (await deliveries(site.clientId))[0]?.state === 'given_up'
    })
    isWell = true
    await server.parts.logout.retry((await deliveries(site.clientId))[0]!.id, operator)
    await settled(site.clientId, 'delivered')
  })

  test('a slow client delays no other one, however many logouts wait for it', async () => {
    const slow = await createSite(() => {})
    const quick = await createSite()
    for (let count = 0; count < 6; count += 1) await loggedOutAt(slow)
    await loggedOutAt(quick)
    await settled(quick.clientId, 'delivered')
    expect((await deliveries(slow.clientId)).every(({ state }) => state === 'waiting')).toBe(true)
    // One of the deliveries is attempted. The client then waits for its next attempt.
    await waitFor(async () => (await receiver(slow.clientId))?.failures === 1)
    await waitFor(async () => (await jobsOf(slow.clientId)) === 1)
    expect(slow.received).toHaveLength(1)
    expect(await deliveries(slow.clientId)).toHaveLength(6)
  })

  test('a client that does not respond gets one attempt at a time, and all waiting deliveries once it responds', async () => {
    let isWell = false
    const site = await createSite((request, response) => isWell && accept(request, response))
    for (let count = 0; count < 3; count += 1) await loggedOutAt(site)
    await waitFor(async () => (await receiver(site.clientId))?.failures === 1)
    server.clock.advance(60_000)
    await makeDue()
    await waitFor(async () => (await receiver(site.clientId))?.failures === 2)
    expect(site.received).toHaveLength(2)
    isWell = true
    server.clock.advance(60_000)
    await makeDue()
    await waitFor(async () => (await deliveries(site.clientId)).every(({ state }) => state === 'delivered'))
    expect(await receiver(site.clientId)).toBeUndefined()
    expect(site.received).toHaveLength(5)
  })

  test('deliveries to a client that does not respond for four days fail for good, and an operator can retry one of them', async () => {
    let isWell = false
    const site = await createSite((request, response) => isWell && accept(request, response))
    for (let count = 0; count < 3; count += 1) await loggedOutAt(site)
    await waitFor(async () => (await receiver(site.clientId))?.failures === 1)
    server.clock.advance(4 * 86_400_000 + 1)
    await makeDue()
    await waitFor(async () => (await deliveries(site.clientId)).every(({ state }) => state === 'given_up'))
    isWell = true
    const { id } = (await deliveries(site.clientId))[0]!
    await server.parts.logout.retry(id, operator)
    await waitFor(async () => (await deliveries(site.clientId)).some(({ state }) => state === 'delivered'))
    expect((await deliveries(site.clientId)).map(({ state }) => state).sort()).toEqual([
      'delivered',
      'given_up',
      'given_up',
    ])
  })

  test('a late response counts as a delivery, and the client counts as slow until a response is fast', async () => {
    let delayMs = 1_100
    const site = await createSite((_request, response) => void setTimeout(() => response.end(), delayMs))
    await loggedOutAt(site)
    await settled(site.clientId, 'delivered')
    await waitFor(async () => (await receiver(site.clientId))?.failures === 0)
    delayMs = 0
    await loggedOutAt(site)
    await waitFor(async () => (await receiver(site.clientId)) === undefined)
    expect(site.received).toHaveLength(2)
  })

  test('a logout whose job was lost is delivered when the periodic duty finds it', async () => {
    let status = 500
    const site = await createSite((_request, response) => response.writeHead(status).end())
    await loggedOutAt(site)
    await waitFor(async () => (await deliveries(site.clientId))[0]?.attempts === 1)
    await waitFor(async () => (await jobsOf(site.clientId)) === 1)
    await loseJobs(site.clientId)
    status = 200
    server.clock.advance(10 * 60_000)
    await server.parts.logout.wakeOverdue()
    await settled(site.clientId, 'delivered')
  })

  test('an event of the previous version starts the job of its client', async () => {
    const site = await createSite((_request, response) => response.writeHead(500).end())
    await loggedOutAt(site)
    await waitFor(async () => (await deliveries(site.clientId))[0]?.attempts === 1)
    await waitFor(async () => (await jobsOf(site.clientId)) === 1)
    const { id } = (await deliveries(site.clientId))[0]!
    await loseJobs(site.clientId)
    server.clock.advance(10_000)
    await server.database.transaction((tx) => server.parts.outbox.send(tx, 'logout', { id }))
    await waitFor(async () => (await deliveries(site.clientId))[0]?.attempts === 2)
  })
})

test('a delivery whose token cannot be created at the last attempt fails for good, and an operator sees it', async () => {
  const site = await createSite()
  const { signal } = new AbortController()
  const logout = createLogout({
    ...server.parts,
    metrics: createMetrics(),
    db: server.database.knex,
    transaction: server.database.transaction,
    wake: async () => {},
    makeToken: () => Promise.reject(new Error('no key')),
    post: () => Promise.reject(new Error('nothing is posted')),
  })
  const ended = { accountId: 'somebody', clients: [{ clientId: site.clientId, sid: 'x' }] }
  await server.database.transaction((tx) => logout.noteEnded(tx, [ended]))
  const tell = () => logout.tasks[logoutTask]!({ clientId: site.clientId }, { attempt: 1, maxAttempts: 25, signal })
  await tell()
  expect(await deliveries(site.clientId)).toMatchObject([{ state: 'waiting', attempts: 1, lastFailure: 'not_sent' }])
  await server.database.knex('logout_delivery').where({ client_id: site.clientId }).update({ attempts: 24, next_at: 0 })
  await tell()
  expect(await deliveries(site.clientId)).toMatchObject([{ state: 'given_up', attempts: 25, lastFailure: 'not_sent' }])
})

test('a logout URI on an internal network address is not called', async () => {
  let asked = 0
  const inside = createServer((_request, response) => {
    asked += 1
    response.end()
  })
  sites.push(inside)
  inside.listen(0, '127.0.0.1')
  await once(inside, 'listening')
  const { clientId } = await createSite(accept, {
    backchannel_logout_uri: `http://127.0.0.1:${(inside.address() as AddressInfo).port}/`,
  })
  const { rp, idTokens } = await signedInAt(clientId)
  await logOut(rp, idTokens[0]!)
  await waitFor(async () => (await deliveries(clientId))[0]?.lastFailure === 'refused')
  expect(asked).toBe(0)
})

test('a waiting delivery does not reveal to a reader of the database whose logout it was', async () => {
  const site = await createSite((_request, response) => response.writeHead(500).end())
  const { rp, idTokens } = await signedInAt(site.clientId)
  await logOut(rp, idTokens[0]!)
  await waitFor(async () => (await deliveries(site.clientId))[0]?.attempts === 1)
  const { rows } = await server.database.knex.raw(
    `SELECT encode(sealed_event, 'escape') || row_to_json(logout_delivery)::text AS row FROM logout_delivery WHERE client_id = ?
     UNION ALL SELECT jobs::text FROM graphile_worker._private_jobs AS jobs`,
    [site.clientId],
  )
  const { sub, sid } = claimsIn(idTokens[0]!)
  for (const { row } of rows) for (const secret of [sub, sid]) expect(row).not.toContain(String(secret))
})

test.each<[string, Record<string, unknown>, string]>([
  ['a fragment', { backchannel_logout_uri: 'https://a.example/#x' }, 'backchannel_logout_uri'],
  ['another scheme', { backchannel_logout_uri: 'ftp://a.example/' }, 'backchannel_logout_uri'],
  ['no boolean', { backchannel_logout_session_required: 'yes' }, 'backchannel_logout_session_required'],
])('a client with %s is refused (§2.2)', async (_case, metadata, path) => {
  const input = { kind: 'web', metadata: { client_name: 'X', redirect_uris: [callback], ...metadata } } as never
  const error = await server.parts.clients.add(input, operator).catch((thrown) => thrown)
  expect(error.problems.map((problem: { path: string }) => problem.path)).toContain(path)
})

test('a machine client cannot have a back-channel logout URI', async () => {
  const metadata = { client_name: 'X', backchannel_logout_uri: 'https://a.example/' }
  const adding = server.addClient({ clientId: 'robot', kind: 'machine', metadata })
  await expect(adding).rejects.toMatchObject({ code: 'client_invalid' })
})
