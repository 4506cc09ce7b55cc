/** The audit trail: written in the change's transaction, without secrets, never altered. */
import type { AuditEvent } from '../../src/audit/service.ts'
import type { Setup } from '../accounts/setup.ts'
import { createSetup, operator } from '../accounts/setup.ts'
import { testOrigin } from './origins.ts'

let setup: Setup
beforeAll(async () => {
  setup = await createSetup()
})
afterAll(() => setup.close())

const event = { action: 'seed.applied', by: operator, outcome: 'success' } as const
const record = (more: Partial<AuditEvent>) =>
  setup.database.transaction((tx) => setup.audit.record(tx, { ...event, ...more }))

test('an event has its actor, action, target, time and request', async () => {
  const { action, outcome } = event
  const more = { subject: { type: 'client', id: 'x' }, clientId: 'x', details: { changed: 3 } }
  const actor = { type: 'account', id: 'y' } as const
  await record({ ...more, by: { actor, origin: { requestId: 'r', ip: '2001:db8::1' } } })
  const at = setup.clock.now()
  expect((await setup.trail())[0]).toMatchObject({
    ...more,
    action,
    outcome,
    at,
    actor,
    requestId: 'r',
    address: '2001:db8::1',
  })
})

test.each([
  ['a command', { command: 'user add' }],
  ['a job', { job: 'delete-accounts' }],
])('an event without a request names %s', async (_what, origin) => {
  await record({ by: { actor: { type: 'system' }, origin } })
  expect((await setup.trail())[0]).toMatchObject({ ...origin, requestId: undefined, address: undefined })
})

test('the compiler refuses an event without actor, request id or IP address, and a refused sign-in without a reason', () => {
  const actor = { type: 'system' } as const
  const rest = { action: 'seed.applied', outcome: 'success' } as const
  const whole: AuditEvent = { ...rest, by: { actor, origin: testOrigin } }
  // @ts-expect-error no actor
  const noActor: AuditEvent = { ...rest, by: { origin: testOrigin } }
  // @ts-expect-error no origin
  const noOrigin: AuditEvent = { ...rest, by: { actor } }
  // @ts-expect-error no IP address
  const noIp: AuditEvent = { ...rest, by: { actor, origin: { requestId: 'r' } } }
  // @ts-expect-error no request id
  const noRequest: AuditEvent = { ...rest, by: { actor, origin: { ip: '192.0.2.1' } } }
  // @ts-expect-error an account has an id
  const noId: AuditEvent = { ...rest, by: { actor: { type: 'account' }, origin: testOrigin } }
  // @ts-expect-error recordRefusedSignIn takes the reason
  const noReason: AuditEvent = { ...whole, action: 'account.sign_in_failed' }
  expect([whole, noActor, noOrigin, noIp, noRequest, noId, noReason]).toHaveLength(7)
})

test('a refused sign-in is anonymous, with the account as its target; after a right password the account is the actor', async () => {
  const refuse = (reason: 'wrong_password' | 'unverified', accountId?: string) =>
    setup.database.transaction((tx) =>
      setup.audit.recordRefusedSignIn(tx, { reason, accountId, clientId: 'web', origin: testOrigin }),
    )
  await refuse('wrong_password')
  await refuse('wrong_password', 'x')
  await refuse('unverified', 'x')
  const subject = { type: 'account', id: 'x' }
  expect((await setup.trail()).slice(0, 3)).toMatchObject([
    { action: 'account.sign_in_failed', actor: subject, subject, details: { reason: 'unverified' } },
    { action: 'account.sign_in_failed', actor: { type: 'anonymous' }, subject, details: { reason: 'wrong_password' } },
    { action: 'account.sign_in_failed', actor: { type: 'anonymous' }, subject: undefined, outcome: 'failure' },
  ])
})

test('rows of the previous version are readable, without a request and with an account without an id', async () => {
  const row = { id: '0190a2f0-0000-7000-8000-000000000001', at: 1, action: 'account.sign_in_failed' }
  await setup.db('audit_event').insert({ ...row, actor_type: 'account', address: '192.0.2.7', outcome: 'failure' })
  const [read] = await setup.trail()
  expect(read).toMatchObject({ action: row.action, actor: { type: 'account', id: undefined }, address: '192.0.2.7' })
  expect([read?.requestId, read?.command, read?.job]).toEqual([undefined, undefined, undefined])
})

test('an event is rolled back with its change', async () => {
  const before = await setup.trail()
  const work = setup.database.transaction(async (tx) => {
    await setup.audit.record(tx, event)
    throw new Error('the change fails')
  })
  await expect(work).rejects.toThrow('the change fails')
  expect(await setup.trail()).toEqual(before)
})

test.each(['UPDATE audit_event SET action = action', 'DELETE FROM audit_event', 'TRUNCATE audit_event'])(
  'the database refuses %s',
  async (statement) => {
    await expect(setup.db.raw(statement)).rejects.toThrow('append-only')
  },
)

test('an unknown action, and a detail with the name of a secret, are refused', async () => {
  const refusal = (code: string) => expect.objectContaining({ code })
  await expect(record({ action: 'seed.aplied' as 'seed.applied' })).rejects.toEqual(refusal('unknown_audit_action'))
  await expect(record({ details: { clientSecret: 'x' } })).rejects.toEqual(refusal('audit_details_refused'))
  await expect(record({ details: { password: 'x' } })).rejects.toEqual(refusal('audit_details_refused'))
})
