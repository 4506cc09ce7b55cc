/**
 * Changing the master key: value by value, restartable, while processes on the same database
 * follow.
 */
import { randomBytes } from 'node:crypto'
import { WrongMasterKey } from '../../keys/errors.ts'
import { createKeyRing } from '../../keys/key-ring.ts'
import { reseal } from '../../keys/reseal.ts'
import { openRootSecret } from '../../keys/root-secret.ts'
import { createRotation } from '../../keys/rotation.ts'
import { createSealer } from '../../keys/sealer.ts'
import { sealedLocations } from '../../src/cli/sealed-locations.ts'
import { createQueue } from '../../src/jobs/queue.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { OutboxKind } from '../../src/outbox/kind.ts'
import { createOutbox } from '../../src/outbox/service.ts'
import { systemRandom } from '../../src/random.ts'
import { createTestClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { waitFor } from '../support/wait.ts'

type Base = Awaited<ReturnType<typeof createTestDatabase>>
let base: Base
const clock = createTestClock()
const log = createLog({ level: 'silent' })
const [oldKey, newKey] = [randomBytes(32), randomBytes(32)]
const day = 86_400_000
const noWait = async () => {}

beforeEach(async () => {
  base = await createTestDatabase()
})
afterEach(() => base.close())

function setup(sealer: ReturnType<typeof createSealer>) {
  const queue = createQueue({ url: base.url, log, metrics: createMetrics() })
  const kind: OutboxKind<'audit-log', { n: number }> = { name: 'audit-log' }
  const outbox = createOutbox({ kinds: [kind], enqueue: queue.enqueue, sealer, random: systemRandom })
  const send = (n: number) => base.database.transaction((tx) => outbox.send(tx, 'audit-log', { n }))
  const rotation = createRotation({
    ...base.database,
    sealer,
    clock,
    random: systemRandom,
    algorithms: ['ES256', 'EdDSA'] as const,
    times: { announcedMs: day, activeMs: 30 * day, retiredMs: 14 * day },
    minAnnouncedMs: 0,
    endSigningKey: noWait,
    record: noWait,
  })
  const openSecret = async () =>
    (await openRootSecret({ ...base.database, sealer, random: systemRandom, clock })).derive('anything').toString('hex')
  return {
    send,
    rotation,
    openSecret,
    resealAll: (waitForServers = noWait) =>
      reseal({ knex: base.database.knex, sealer, locations: sealedLocations, waitForServers }),
  }
}

/** Rows of any table that name this master key, in bytes or in base64. */
async function findSealedUnder(masterKey: Buffer): Promise<string[]> {
  const header = createSealer(masterKey).seal(Buffer.alloc(0), '').subarray(0, 9)
  const patterns = [`%${header.toString('hex')}%`, `%${header.toString('base64')}%`]
  const { rows } = await base.database.knex.raw(
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
  )
  const found: string[] = []
  for (const { name } of rows as { name: string }[]) {
    const { rows: hits } = await base.database.knex.raw(
      `SELECT 1 FROM ${name} AS t WHERE t::text LIKE ANY (?) LIMIT 1`,
      [patterns],
    )
    if (hits.length > 0) found.push(name)
  }
  return found.sort()
}

const everyLocation = ['graphile_worker._private_jobs', 'public.root_secret', 'public.signing_key']

test('every encrypted value is encrypted under the new master key, and the root secret keeps its value', async () => {
  const before = setup(createSealer(oldKey))
  const secret = await before.openSecret()
  await before.rotation.advance()
  await before.send(1)
  expect(await findSealedUnder(oldKey)).toEqual(everyLocation)

  const during = setup(createSealer(newKey, oldKey))
  await during.openSecret()
  expect(await during.resealAll()).toEqual({
    resealed: { root_secret: 1, signing_key: 2, logout_delivery: 0, totp: 0, outbox: 1 },
    unopened: [],
  })
  expect(await findSealedUnder(oldKey)).toEqual([])
  expect(await findSealedUnder(newKey)).toEqual(everyLocation)

  const after = setup(createSealer(newKey))
  expect(await after.openSecret()).toBe(secret)
  expect(await after.rotation.list()).toHaveLength(2)
  expect(await during.resealAll()).toEqual({
    resealed: { root_secret: 0, signing_key: 0, logout_delivery: 0, totp: 0, outbox: 0 },
    unopened: [],
  })
})

test('before the change begins, a process with both master keys encrypts under the old one, which every process can decrypt', async () => {
  const before = setup(createSealer(oldKey))
  await before.openSecret()
  await before.rotation.advance()
  const during = setup(createSealer(newKey, oldKey))
  await during.openSecret()
  await during.send(1)
  await during.rotation.rotate(
    { wanted: ['ES256'], isNow: true },
    { actor: { type: 'system' }, origin: { job: 'test' } },
  )
  expect(await findSealedUnder(newKey)).toEqual([])
  expect(await before.rotation.list()).toHaveLength(3)
})

test('every running process encrypts under the new master key once the change has begun, and values that it encrypted meanwhile are found', async () => {
  const before = setup(createSealer(oldKey))
  await before.openSecret()
  await before.rotation.advance()
  const sealer = createSealer(newKey, oldKey)
  const running = setup(sealer)
  await running.openSecret()
  const ring = await createKeyRing({ ...base.database, sealer, clock, log, algorithms: ['ES256'] })
  const operator = setup(createSealer(newKey, oldKey))
  await operator.openSecret()
  let stragglers = 2
  const result = await operator.resealAll(async () => {
    // Each time another process had sealed under the old key just before it was notified.
    if (stragglers-- > 0) await before.send(1)
    await waitFor(() =>
      sealer
        .seal(Buffer.alloc(0), '')
        .subarray(0, 9)
        .equals(createSealer(newKey).seal(Buffer.alloc(0), '').subarray(0, 9)),
    )
  })
  expect(result.resealed).toMatchObject({ outbox: 2 })
  expect(await findSealedUnder(oldKey)).toEqual([])
  await running.send(2)
  expect(await findSealedUnder(oldKey)).toEqual([])
  await ring.close()
})

test('after an interruption at any step, the next run continues where the change stopped', async () => {
  const before = setup(createSealer(oldKey))
  await before.openSecret()
  await before.rotation.advance()
  for (let n = 0; n < 5; n += 1) await before.send(n)
  const total = 1 + 2 + 5
  for (let cut = 0; cut < total; cut += 1) {
    const during = createSealer(newKey, oldKey)
    let left = 1
    // Each run fails before its second value.
    const dying = sealedLocations.map((place) => ({
      ...place,
      replace: async (...args: Parameters<typeof place.replace>) => {
        if (left-- === 0) throw new Error('killed')
        await place.replace(...args)
      },
    }))
    const run = reseal({ knex: base.database.knex, sealer: during, locations: dying, waitForServers: noWait })
    if (cut < total - 1) await expect(run).rejects.toThrow('killed')
    else expect((await run).unopened).toEqual([])
    // Half-way, a process with both keys opens everything.
    const reader = setup(createSealer(newKey, oldKey))
    await reader.openSecret()
    expect(await reader.rotation.list()).toHaveLength(2)
  }
  expect(await findSealedUnder(oldKey)).toEqual([])
})

test('a value that no key decrypts is reported and left unchanged, and all other values are encrypted again', async () => {
  const before = setup(createSealer(oldKey))
  await before.openSecret()
  const foreign = setup(createSealer(randomBytes(32)))
  await foreign.send(1)
  await before.send(2)
  const during = setup(createSealer(newKey, oldKey))
  const { resealed, unopened } = await during.resealAll()
  expect(resealed).toEqual({ root_secret: 1, signing_key: 0, logout_delivery: 0, totp: 0, outbox: 1 })
  expect(unopened).toEqual([expect.stringMatching(/^outbox audit-log /)])
})

test('during the change a process with only one of the two master keys does not start', async () => {
  const before = setup(createSealer(oldKey))
  await before.openSecret()
  await before.rotation.advance()
  const sealer = createSealer(newKey, oldKey)
  const [root, keys] = [sealedLocations[0]!, sealedLocations[1]!]
  await reseal({ knex: base.database.knex, sealer, locations: [root], waitForServers: noWait })
  await expect(setup(createSealer(oldKey)).openSecret()).rejects.toThrow(WrongMasterKey)
  await expect(setup(createSealer(newKey)).rotation.list()).rejects.toThrow(WrongMasterKey)
  await reseal({ knex: base.database.knex, sealer, locations: [keys], waitForServers: noWait })
  expect(await setup(createSealer(newKey)).rotation.list()).toHaveLength(2)
})
