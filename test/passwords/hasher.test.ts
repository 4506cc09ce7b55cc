/** Hashing and verifying with Argon2id, at its minimum cost where the cost is not the subject. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import argon2 from 'argon2'
import { Registry } from 'prom-client'
import { createPasswordHasher } from '../../src/passwords/hasher.ts'

const floor = { memoryKiB: 19456, iterations: 2, parallelism: 1 }

function hasher(options: Partial<Parameters<typeof createPasswordHasher>[0]> = {}) {
  const metrics = new Registry()
  const made = createPasswordHasher({ ...floor, slots: 2, queue: 16, metrics, ...options })
  const value = async (name: string) =>
    (await metrics.getMetricsAsJSON())
      .flatMap((metric) => metric.values as { metricName?: string; value: number }[])
      .find((one) => one.metricName === name)?.value
  const hashes = async () => (await value('latchkey_password_hash_seconds_count')) ?? 0
  return { ...made, metrics, hashes }
}

test('a password matches its own hash and no other', async () => {
  const { hash, verify } = hasher()
  const stored = await hash('wonderland tea party')
  // A salt of 16 bytes and a tag of 32, in base64 without padding.
  expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,p=1,t=2\$[\w+/]{22}\$[\w+/]{43}$/)
  expect(await verify('wonderland tea party', stored)).toEqual({ matches: true, needsRehash: false })
  expect(await verify('wonderland tea part', stored)).toEqual({ matches: false, needsRehash: false })
  expect(await hash('wonderland tea party')).not.toBe(stored)
})

test('a hash in the reference implementation’s order of parameters matches too', async () => {
  const { hash, verify } = hasher()
  const stored = (await hash('wonderland tea party')).replace('p=1,t=2', 't=2,p=1')
  expect(await verify('wonderland tea party', stored)).toEqual({ matches: true, needsRehash: false })
})

test('a password matches however its accents were typed (RFC 8265 §4.2.2)', async () => {
  const { hash, verify } = hasher()
  expect(await verify('cafe\u0301 au lait', await hash('caf\u00e9 au lait'))).toMatchObject({ matches: true })
})

test('a verification without a hash computes a hash and does not match', async () => {
  const { verify, hashes } = hasher({ memoryKiB: 65536, iterations: 3, parallelism: 4 })
  const stored = await argon2.hash('wonderland tea party', { memoryCost: 65536, timeCost: 3, parallelism: 4 })
  for (const hash of [stored, undefined])
    expect(await verify('wrong wonderland', hash)).toEqual({ matches: false, needsRehash: false })
  // Its time is measured by foreign-timing.nightly.test.ts.
  expect(await hashes()).toBe(2)
})

test.each([
  '',
  'not a hash',
  '$2b$10$abcdefghijklmnopqrstuuu',
  '$argon2id$v=19$m=19456,t=2,p=1$short$x',
  `$argon2id$v=19$m=19456,m=19456,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`,
])('a hash of an unknown kind never matches, at the same cost: %j', async (stored) => {
  const { verify, hashes } = hasher()
  expect(await verify('wonderland tea party', stored)).toEqual({ matches: false, needsRehash: false })
  expect(await hashes()).toBe(1)
})

test('a match needs a rehash when the setting is higher than the hash, not when it is lower, and never without a match', async () => {
  const stored = await hasher().hash('wonderland tea party')
  const verifiedWith = (cost: Partial<typeof floor>, password = 'wonderland tea party') =>
    hasher(cost).verify(password, stored)
  for (const risen of [{ memoryKiB: 20480 }, { iterations: 3 }, { parallelism: 2 }]) {
    expect(await verifiedWith(risen)).toEqual({ matches: true, needsRehash: true })
    expect(await verifiedWith(risen, 'wrong wonderland')).toEqual({ matches: false, needsRehash: false })
  }
  expect(await verifiedWith({})).toEqual({ matches: true, needsRehash: false })
  const rich = await hasher({ memoryKiB: 32768, iterations: 3, parallelism: 2 }).hash('wonderland tea party')
  expect(await hasher().verify('wonderland tea party', rich)).toEqual({ matches: true, needsRehash: false })
})

test('an impossible password is refused without a hash', async () => {
  const { hash, verify, hashes } = hasher()
  const stored = await argon2.hash('x')
  for (const password of ['a'.repeat(50 * 1024), 'a'.repeat(129), 'a\0b', '\ud800']) {
    await expect(hash(password)).rejects.toMatchObject({ status: 400 })
    await expect(verify(password, stored)).rejects.toMatchObject({ status: 400 })
    await expect(verify(password, undefined)).rejects.toMatchObject({ status: 400 })
  }
  expect(await hashes()).toBe(0)
})

test('requests beyond the slots and the queue are refused with 503, and the others are answered', async () => {
  const { verify, metrics } = hasher({ slots: 1, queue: 2 })
  const tries = Array.from({ length: 6 }, () => verify('wrong wonderland', undefined))
  expect(await metrics.metrics()).toMatch(/latchkey_password_hash_waiting 2\n[\s\S]*latchkey_password_hash_running 1\n/)
  const outcomes = await Promise.allSettled(tries)
  expect(outcomes.map(({ status }) => status)).toEqual([...Array(3).fill('fulfilled'), ...Array(3).fill('rejected')])
  for (const outcome of outcomes.slice(3)) {
    expect(outcome).toMatchObject({
      reason: { code: 'hashing_busy', status: 503, retryAfterSeconds: expect.any(Number) },
    })
  }
})

// Threads are counted in /proc; other systems run the same code without this test.
const onLinux = process.platform === 'linux' ? test : test.skip
onLinux('libuv’s pool takes the size that a process sets after its static imports and its configuration', async () => {
  const script = `
    import { readdirSync, readFileSync } from 'node:fs'
    import 'oidc-provider'
    import 'knex'
    import { Registry } from 'prom-client'
    import { readConfig } from './src/config/read.ts'
    import { createPasswordHasher } from './src/passwords/hasher.ts'
    import { hashingSlots, threadPoolSize } from './src/passwords/threads.ts'
    const { config } = readConfig({ NODE_ENV: 'test', PASSWORD_HASH_SLOTS: '7', DATA_FOLDER: '/tmp', MASTER_KEY: '${'ab'.repeat(32)}' })
    const slots = hashingSlots({ configured: config.passwordHash.slots, cores: 2, serverProcesses: 1, parallelism: 1 })
    process.env.UV_THREADPOOL_SIZE = String(threadPoolSize(slots, process.env.UV_THREADPOOL_SIZE))
    const hasher = createPasswordHasher({ memoryKiB: 19456, iterations: 2, parallelism: 1, slots, queue: 16, metrics: new Registry() })
    await Promise.all(Array.from({ length: 20 }, () => hasher.verify('wrong wonderland', undefined)))
    const names = readdirSync('/proc/self/task').map((id) => readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim())
    console.log(names.filter((name) => name.startsWith('libuv')).length)`
  const { UV_THREADPOOL_SIZE: _stated, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { env })
  expect(Number(stdout)).toBe(11)
})

onLinux(
  'hashing stands behind everything else of the process, and so does what it starts (setpriority(2))',
  async () => {
    const script = `
    import { readdirSync, readFileSync } from 'node:fs'
    import { getPriority } from 'node:os'
    import { promisify } from 'node:util'
    import { randomFill } from 'node:crypto'
    import { Registry } from 'prom-client'
    import { createPasswordHasher } from './src/passwords/hasher.ts'
    import { yieldPoolThreads } from './src/passwords/threads.ts'
    await promisify(randomFill)(Buffer.alloc(1))
    const known = new Set(readdirSync('/proc/self/task'))
    const before = getPriority()
    yieldPoolThreads()
    const hasher = createPasswordHasher({ memoryKiB: 65536, iterations: 8, parallelism: 2, slots: 1, queue: 1, metrics: new Registry() })
    let isDone = false
    const lanes = new Set()
    const verifying = hasher.verify('wrong wonderland', undefined).finally(() => { isDone = true })
    while (!isDone) {
      for (const id of readdirSync('/proc/self/task')) {
        if (!known.has(id)) try { lanes.add(getPriority(Number(id)) - before) } catch {} // the thread has ended
      }
      await new Promise(setImmediate)
    }
    await verifying
    const pool = readdirSync('/proc/self/task')
      .filter((id) => readFileSync('/proc/self/task/' + id + '/comm', 'utf8').startsWith('libuv'))
      .map((id) => getPriority(Number(id)) - before)
    console.log(JSON.stringify({ main: getPriority() - before, pool, lanes: [...lanes] }))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
    const { main, pool, lanes } = JSON.parse(stdout)
    expect([main, new Set(pool), lanes]).toEqual([0, new Set([10]), [10]])
  },
)
