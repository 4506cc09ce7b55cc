/** The audit trail: part of the change, without secrets, never altered. */
import type { Rooms } from '../accounts/rooms.ts'
import { createRooms, operator } from '../accounts/rooms.ts'

let rooms: Rooms
beforeAll(async () => {
  rooms = await createRooms()
})
afterAll(() => rooms.close())

const event = { action: 'seed.applied', actor: operator, outcome: 'success' } as const

test('an event says who did what to whom, when, from where', async () => {
  const details = { changed: 3 }
  const more = { subject: { type: 'client', id: 'x' }, clientId: 'x', address: '2001:db8::1', details }
  await rooms.database.transaction((tx) => rooms.audit.record(tx, { ...event, ...more }))
  expect((await rooms.trail())[0]).toMatchObject({ ...event, ...more, at: rooms.clock.now() })
})

test('it stands or falls with the change', async () => {
  const before = await rooms.trail()
  const work = rooms.database.transaction(async (tx) => {
    await rooms.audit.record(tx, event)
    throw new Error('the change fails')
  })
  await expect(work).rejects.toThrow('the change fails')
  expect(await rooms.trail()).toEqual(before)
})

test.each(['UPDATE audit_event SET action = action', 'DELETE FROM audit_event', 'TRUNCATE audit_event'])(
  'the database refuses %s',
  async (statement) => {
    await expect(rooms.db.raw(statement)).rejects.toThrow('append-only')
  },
)

test('an unknown action and a detail named like a secret are refused', async () => {
  const record = (wrong: object) => rooms.database.transaction((tx) => rooms.audit.record(tx, { ...event, ...wrong }))
  await expect(record({ action: 'seed.aplied' })).rejects.toMatchObject({ code: 'unknown_audit_action' })
  await expect(record({ details: { clientSecret: 'x' } })).rejects.toMatchObject({ code: 'audit_details_refused' })
  await expect(record({ details: { password: 'x' } })).rejects.toMatchObject({ code: 'audit_details_refused' })
})
