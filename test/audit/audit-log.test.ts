/** The audit trail as lines of the log, through the outbox, on a whole server. */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { allDelivered } from '../support/outbox.ts'
import { waitFor } from '../support/wait.ts'

const lines: string[] = []
let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey({ onLog: (line) => lines.push(line) })
})
afterAll(() => server.stop())

const auditLines = (action: string) =>
  lines
    .map((line) => JSON.parse(line) as { audit?: Record<string, unknown> })
    .filter(({ audit }) => audit?.action === action)

test('a sign-in is logged in one line after its transaction has committed', async () => {
  await createRelyingParty(server).authorize({ scope: 'openid' })
  const [line] = await waitFor(() => {
    const found = auditLines('account.signed_in')
    return found.length > 0 && found
  })
  expect(line).toMatchObject({ audit: { clientId: 'web', outcome: 'success', address: '127.0.0.1' } })
  await allDelivered(server.database.knex, 'audit-log')
  expect(auditLines('account.signed_in')).toHaveLength(1)
})

test('an event that is rolled back is not logged', async () => {
  const { audit, database } = server.parts
  const by = { actor: { type: 'system' }, origin: { job: 'test' } } as const
  const failure = database.transaction(async (tx) => {
    await audit.record(tx, { action: 'account.disabled', by, outcome: 'success' })
    throw new Error('not after all')
  })
  await expect(failure).rejects.toThrow('not after all')
  await database.transaction((tx) => audit.record(tx, { action: 'account.enabled', by, outcome: 'success' }))
  await waitFor(() => auditLines('account.enabled').length > 0)
  await allDelivered(database.knex, 'audit-log')
  expect(auditLines('account.disabled')).toEqual([])
})
