/**
 * A token issued between the moment of an end and its commit has not seen the end. It is invalid
 * once the end is answered.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'

let server: Latchkey
/** Another server on its own database, whose queue runs. */
let sweeping: Latchkey
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

beforeAll(async () => {
  server = await startLatchkey()
  // The end itself is tested here, without a sweep.
  await server.parts.queue.stop()
  sweeping = await startLatchkey()
})
afterAll(() => Promise.all([server?.stop(), sweeping?.stop()]))

type Revocation = Latchkey['parts']['revocation']

/** Starts the end, and runs `meanwhile` after its moment and before its commit. */
async function endAround(at: Latchkey, end: () => Promise<unknown>, meanwhile: () => Promise<void>): Promise<void> {
  // The end waits for the row of its moment: the moment is taken, but nothing of the end is
  // visible.
  let letGo = () => {}
  const isLetGo = new Promise<void>((resolve) => {
    letGo = resolve
  })
  let isHeld = false
  const holding = at.database.transaction(async (tx) => {
    await tx.raw('LOCK TABLE artifact_end IN SHARE MODE')
    isHeld = true
    await isLetGo
  })
  await waitFor(() => isHeld)
  const ending = end()
  await waitFor(async () => {
    const { rows } = await at.database.knex.raw(
      // A sweep of an earlier end may wait too.
      `SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
       WHERE NOT granted AND relation = 'artifact_end'::regclass AND query ILIKE 'INSERT INTO artifact_end%'`,
    )
    return rows.length > 0
  })
  at.clock.advance(50)
  await meanwhile()
  at.clock.advance(50)
  letGo()
  await Promise.all([holding, ending])
}

test.each<[string, (revocation: Revocation, accountId: string) => Promise<unknown>]>([
  ['of a person', (revocation, accountId) => revocation.revokeAccount(accountId, operator)],
  ['of a client', (revocation) => revocation.revokeClient('web', operator)],
  ['of a consent', (revocation, accountId) => revocation.revokeConsent(accountId, 'web', operator)],
  ['of everything', (revocation) => revocation.revokeAll('now', operator)],
])('the end %s also ends what is issued before its commit', async (_what, end) => {
  const rp = createRelyingParty(server)
  await rp.signIn({ scope: 'openid email offline_access' })
  const { id } = (await server.parts.accounts.findByEmail('alice@example.com'))!
  let tokens = { access_token: '', refresh_token: '' }
  await endAround(
    server,
    () => end(server.parts.revocation, id),
    async () => {
      // The session answers without a prompt, and its tokens are new.
      const { code } = await rp.authorize({ scope: 'openid email offline_access' })
      tokens = (await rp.exchange(code!)).body
      expect((await rp.userinfo(tokens.access_token)).status).toBe(200)
    },
  )
  expect((await rp.userinfo(tokens.access_token)).status).toBe(401)
  expect(await rp.refresh(tokens.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  server.clock.advance(1)
  expect(await createRelyingParty(server).signIn({ scope: 'openid email offline_access' })).toHaveProperty(
    'refresh_token',
  )
})

type Artifacts = Latchkey['parts']['artifacts']
type Tx = Parameters<Artifacts['endClient']>[0]
const provisional = { isProvisional: true }

test.each<[string, (artifacts: Artifacts, accountId: string) => (tx: Tx) => Promise<number>]>([
  ['of a person', (artifacts, accountId) => (tx) => artifacts.endAccount(tx, accountId, provisional)],
  ['of a client', (artifacts) => (tx) => artifacts.endClient(tx, 'web', provisional)],
  ['of a consent', (artifacts, accountId) => (tx) => artifacts.endGrantsOf(tx, accountId, 'web', provisional)],
  ['of everything', (artifacts) => (tx) => artifacts.endAll(tx, undefined, provisional)],
])('the end %s whose command is killed at its commit is completed by the sweep', async (_what, end) => {
  const scope = 'openid email offline_access'
  const rp = createRelyingParty(sweeping)
  await rp.signIn({ scope })
  const { id } = (await sweeping.parts.accounts.findByEmail('alice@example.com'))!
  let tokens = { access_token: '', refresh_token: '' }
  await endAround(
    sweeping,
    () => sweeping.database.transaction(end(sweeping.parts.artifacts, id)),
    async () => {
      const { code } = await rp.authorize({ scope })
      tokens = (await rp.exchange(code!)).body
    },
  )
  await waitFor(async () => (await rp.userinfo(tokens.access_token)).status === 401)
  expect(await rp.refresh(tokens.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  await waitFor(async () => (await sweeping.database.knex('artifact_end').where('is_provisional', true)).length === 0)
  // Only once: a token issued afterwards stays valid.
  sweeping.clock.advance(1)
  const later = await createRelyingParty(sweeping).signIn({ scope })
  sweeping.clock.advance(120_000)
  await sweeping.parts.artifacts.removeLeftovers(() => false)
  expect((await rp.userinfo(later.access_token)).status).toBe(200)
})
