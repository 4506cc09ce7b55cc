/**
 * The outbox: an entry is part of the transaction, is sealed while it waits, and is delivered at
 * least once.
 */
import { randomBytes } from 'node:crypto'
import { createSealer } from '../../keys/sealer.ts'
import { createQueue } from '../../src/jobs/queue.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Delivery, OutboxKind } from '../../src/outbox/kind.ts'
import { createOutbox } from '../../src/outbox/service.ts'
import { systemRandom } from '../../src/random.ts'
import { createQueueBench } from '../jobs/started-queue.ts'
import { waitFor } from '../support/wait.ts'

type Letter = { to: string; link: string }
let bench: Awaited<ReturnType<typeof createQueueBench>>
beforeEach(async () => {
  bench = await createQueueBench()
})
afterEach(() => bench.close())

/** An outbox with its own kind, whose deliveries fail `failures` times. */
function createLetters({ failures = 0 } = {}) {
  const deliveries: { letter: Letter; delivery: Delivery }[] = []
  const kind: OutboxKind<'letter', Letter> = { name: 'letter', maxAttempts: 3 }
  const { enqueue } = createQueue({ url: bench.url, log: bench.log, metrics: createMetrics() })
  const sealer = createSealer(randomBytes(32))
  const outbox = createOutbox({ kinds: [kind], enqueue, sealer, random: systemRandom })
  outbox.handle('letter', async (letter, delivery) => {
    deliveries.push({ letter, delivery })
    if (deliveries.length <= failures) throw new Error('nobody at home')
  })
  return { deliveries, outbox }
}

const letter = { to: 'alice@example.com', link: 'https://login.example.com/reset#a-secret' }

test('an event is delivered after its change has committed, and not after a rollback', async () => {
  const { outbox, deliveries } = createLetters()
  bench.startQueue({ tasks: outbox.tasks })
  const failed = bench.database.transaction(async (tx) => {
    await outbox.send(tx, 'letter', { ...letter, to: 'nobody@example.com' })
    throw new Error('the change failed')
  })
  await expect(failed).rejects.toThrow('the change failed')
  await bench.database.transaction((tx) => outbox.send(tx, 'letter', letter))
  await waitFor(async () => (await bench.jobs()).length === 0)
  expect(deliveries).toMatchObject([{ letter, delivery: { attempt: 1, isLastAttempt: false } }])
})

test('a waiting event cannot be read in the database', async () => {
  const { outbox } = createLetters()
  await bench.database.transaction((tx) => outbox.send(tx, 'letter', letter))
  const { rows } = await bench.database.knex.raw('SELECT jobs::text AS row FROM graphile_worker._private_jobs AS jobs')
  expect(rows).toHaveLength(1)
  for (const secret of ['alice@example.com', 'a-secret', Buffer.from('a-secret').toString('base64url')]) {
    expect(rows[0].row).not.toContain(secret)
  }
})

test('an encrypted payload that is copied into another event is not delivered', async () => {
  const { outbox, deliveries } = createLetters()
  await bench.database.transaction((tx) => outbox.send(tx, 'letter', letter))
  await bench.database.knex.raw(
    `UPDATE graphile_worker._private_jobs SET payload = json_build_object('id', 'another', 'sealed', payload->>'sealed')`,
  )
  bench.startQueue({ tasks: outbox.tasks })
  await waitFor(async () => (await bench.jobs()).find((job) => job.last_error && !job.locked_at))
  expect(deliveries).toEqual([])
})

test('a failed delivery is repeated under the same id, and reported when it is the last', async () => {
  const { outbox, deliveries } = createLetters({ failures: 2 })
  bench.startQueue({ tasks: outbox.tasks })
  await bench.database.transaction((tx) => outbox.send(tx, 'letter', letter))
  for (const attempt of [1, 2]) {
    await waitFor(async () => (await bench.jobs()).find((job) => job.attempts === attempt && !job.locked_at))
    await bench.makeDue()
  }
  await waitFor(async () => (await bench.jobs()).length === 0)
  expect(deliveries.map(({ delivery }) => delivery.attempt)).toEqual([1, 2, 3])
  expect(deliveries.map(({ delivery }) => delivery.isLastAttempt)).toEqual([false, false, true])
  expect(new Set(deliveries.map(({ delivery }) => delivery.id)).size).toBe(1)
})

test('a kind has exactly one handler', () => {
  const { outbox } = createLetters()
  expect(() => outbox.handle('letter', async () => {})).toThrow('two handlers of letter')
  expect(() => outbox.refuseUnhandled()).not.toThrow()
  const { enqueue } = createQueue({ url: bench.url, log: bench.log, metrics: createMetrics() })
  const unhandled = createOutbox({
    kinds: [{ name: 'letter' as const }],
    enqueue,
    sealer: createSealer(randomBytes(32)),
    random: systemRandom,
  })
  expect(() => unhandled.refuseUnhandled()).toThrow('no handler of letter')
})
