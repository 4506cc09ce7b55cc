/** What is issued between the moment of an end and its commit has read nothing of the end, and is dead when the end is answered. */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'

let server: Latchkey
const operator = { type: 'operator', id: 'test' } as const

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server?.stop())

type Revocation = Latchkey['parts']['revocation']

test.each<[string, (revocation: Revocation, accountId: string) => Promise<unknown>]>([
  ['of a person', (revocation, accountId) => revocation.account(accountId, operator)],
  ['of a client', (revocation) => revocation.client('web', operator)],
  ['of a consent', (revocation, accountId) => revocation.consent(accountId, 'web', operator)],
  ['of everything', (revocation) => revocation.everything('now', operator)],
])('the end %s', async (_what, end) => {
  const rp = createRelyingParty(server)
  await rp.signIn({ scope: 'openid email offline_access' })
  const { id } = (await server.parts.accounts.findByEmail('alice@example.com'))!
  // The end waits for the row of its moment: that is taken, and nothing of it can be seen.
  let letGo = () => {}
  const isLetGo = new Promise<void>((resolve) => {
    letGo = resolve
  })
  let isHeld = false
  const holding = server.database.transaction(async (tx) => {
    await tx.raw('LOCK TABLE artifact_end IN SHARE MODE')
    isHeld = true
    await isLetGo
  })
  await waitFor(() => isHeld)
  const ending = end(server.parts.revocation, id)
  await waitFor(async () => {
    const { rows } = await server.database.knex.raw(
      "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'artifact_end'::regclass",
    )
    return rows.length > 0
  })
  server.clock.advance(50)
  // The session answers without a question, and its tokens are new.
  const { code } = await rp.authorize({ scope: 'openid email offline_access' })
  const tokens = (await rp.exchange(code!)).body
  expect((await rp.userinfo(tokens.access_token)).status).toBe(200)
  server.clock.advance(50)
  letGo()
  await Promise.all([holding, ending])
  expect((await rp.userinfo(tokens.access_token)).status).toBe(401)
  expect(await rp.refresh(tokens.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  server.clock.advance(1)
  expect(await createRelyingParty(server).signIn({ scope: 'openid email offline_access' })).toHaveProperty(
    'refresh_token',
  )
})
