/**
 * The work of a verification: each costs as much as the most expensive hash in use. Time is
 * computed, not measured.
 */
import { listPasswordCosts } from '../../src/accounts/password-costs.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPasswordHasher } from '../../src/passwords/hasher.ts'
import { createTestDatabase } from '../support/database.ts'

const salt = 'c2l4dGVlbiBieXRlcw'
const result = 'GXxFKcyzC+ttyp3771S46HYYOja+pVGWMQfo12emkXc'
const argon = (m: number, t: number, p: number) => `$argon2id$v=19$m=${m},t=${t},p=${p}$${salt}$${result}`
const bcryptOf = (cost: number) => `$2b$${cost}$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW`

/** The cost of each hash in the model: milliseconds on a quiet machine. */
function modelMs(hash: string): number {
  const [, m, t] = /m=(\d+),t=(\d+)/.exec(hash) ?? []
  if (m) return (Number(m) * Number(t)) / 1000
  const [, cost] = /^\$2b\$(\d\d)/.exec(hash) ?? []
  return cost ? 2 ** Number(cost) / 15 : hash.startsWith('$scrypt') ? 120 : 90
}

function hasher(
  own = { memoryKiB: 65_536, iterations: 3, parallelism: 4 },
  listCosts?: NonNullable<Parameters<typeof createPasswordHasher>[0]['listCosts']>,
) {
  let nowMs = 0
  const computed: string[] = []
  const warnings: unknown[] = []
  const metrics = createMetrics()
  const made = createPasswordHasher({
    ...own,
    slots: 1,
    queue: 1,
    metrics,
    log: { warn: (...told: unknown[]) => void warnings.push(told) } as never,
    ...(listCosts && { listCosts }),
    monotonicMs: () => nowMs,
    compute: async (hash) => {
      computed.push(hash)
      nowMs += modelMs(hash)
      return false
    },
  })
  const costOfVerify = async (hash: string | undefined) => {
    const began = nowMs
    computed.length = 0
    expect(await made.verify('wrong wonderland', hash)).toEqual({ matches: false, needsRehash: false })
    return nowMs - began
  }
  const pass = (ms: number) => {
    nowMs += ms
  }
  const failures = async () => {
    const { values = [] } = (await metrics.getSingleMetric('latchkey_password_cost_failures_total')?.get()) ?? {}
    return values[0]?.value
  }
  return { ...made, computed, costOfVerify, pass, warnings, failures }
}

const stored = [
  argon(8, 1, 1),
  argon(7168, 5, 1),
  argon(19_456, 2, 1),
  argon(65_536, 3, 4),
  bcryptOf(10),
  `$scrypt$ln=15,r=8,p=1$${salt}$${result}`,
  `$pbkdf2-sha256$i=600000$${salt}$${result}`,
]

test('a verification of a cheaper hash of any kind costs as much as the most expensive one in use, with one hash and a decoy', async () => {
  const { costOfVerify, computed } = hasher()
  await costOfVerify(argon(8, 1, 1))
  const nobody = await costOfVerify(undefined)
  expect(computed).toEqual([expect.stringContaining('$m=65536,t=3,p=4$')])
  for (const hash of stored) {
    expect([hash, Math.abs((await costOfVerify(hash)) / nobody - 1) < 0.01]).toEqual([hash, true])
    expect(computed[0]).toBe(hash)
    expect(computed.length).toBeLessThanOrEqual(2)
  }
})

test.each([
  ['an Argon2id hash from before the setting was lowered', argon(65_536, 3, 4)],
  ['bcrypt 14', bcryptOf(14)],
])('every verification costs as much as %s while that is stored', async (_what, dear) => {
  const { learn, costOfVerify, computed } = hasher({ memoryKiB: 19_456, iterations: 2, parallelism: 1 })
  await costOfVerify(argon(8, 1, 1))
  const cheap = await costOfVerify(undefined)
  const beginning = dear.startsWith('$2') ? dear.slice(0, 6) : dear.split('$').slice(0, -2).join('$')
  await learn([
    { beginning: '$2b$10', resultLength: 53 },
    { beginning, resultLength: result.length },
  ])
  const dearest = await costOfVerify(dear)
  expect(computed).toEqual([dear])
  for (const hash of [undefined, argon(19_456, 2, 1), ...stored.filter((one) => modelMs(one) <= dearest)]) {
    expect([hash, Math.abs((await costOfVerify(hash)) / dearest - 1) < 0.01]).toEqual([hash, true])
  }
  await learn([])
  expect(await costOfVerify(undefined)).toBeCloseTo(cheap)
})

test('each stored cost is listed once, for every kind of hash (loose index scan)', async () => {
  const test = await createTestDatabase()
  const { knex: db } = test.database
  try {
    expect(await listPasswordCosts(db)).toEqual([])
    const hashes = [...stored, ...stored, bcryptOf(12), argon(8, 1, 1).replace('m=8,t=1,p=1', 'm=8,p=1,t=1'), null]
    for (const [index, hash] of hashes.entries()) {
      const id = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
      await db('account').insert({
        id,
        email: `p${index}@example.com`,
        email_key: `p${index}@example.com`,
        password_hash: hash,
        created_at: 1,
        updated_at: 1,
      })
    }
    const listed = await listPasswordCosts(db)
    expect(listed).toHaveLength(9)
    expect(listed).toContainEqual({ beginning: '$2b$12', resultLength: 53 })
    expect(listed).toContainEqual({ beginning: '$argon2id$v=19$m=7168,t=5,p=1', resultLength: 43 })
    expect(listed).toContainEqual({ beginning: '$scrypt$ln=15,r=8,p=1', resultLength: 43 })
    expect(listed).toContainEqual({ beginning: '$pbkdf2-sha256$i=600000', resultLength: 43 })
  } finally {
    await test.close()
  }
})

test('while the stored costs cannot be read the previous ones apply, and the log has one warning', async () => {
  let isUnavailable = false
  const { costOfVerify, pass, warnings, failures } = hasher(undefined, async () => {
    if (isUnavailable) throw new Error('the database is away')
    return [{ beginning: '$2b$14', resultLength: 53 }]
  })
  /** A verification that reads the costs again, and the effect of the reading. */
  const readAgain = async () => {
    pass(10_000)
    await costOfVerify(undefined)
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
  }
  await readAgain()
  const dear = await costOfVerify(undefined)
  for (const times of [1, 2]) {
    isUnavailable = true
    await readAgain()
    await readAgain()
    expect(await costOfVerify(undefined)).toBeCloseTo(dear)
    expect([warnings.length, await failures()]).toEqual([times, 2 * times])
    isUnavailable = false
    await readAgain()
  }
  expect(warnings.at(-1)).toMatchObject([{ err: { message: 'the database is away' } }, expect.any(String)])
})

test('a more expensive hash that is imported while the server runs applies within ten seconds', async () => {
  let costs: { beginning: string; resultLength: number }[] = []
  const { costOfVerify, pass } = hasher(undefined, async () => costs)
  await costOfVerify(undefined)
  const usual = await costOfVerify(undefined)
  costs = [{ beginning: '$2b$14', resultLength: 53 }]
  pass(10_000)
  await costOfVerify(undefined)
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
  expect(await costOfVerify(undefined)).toBeCloseTo(modelMs(bcryptOf(14)))
  expect(modelMs(bcryptOf(14))).toBeGreaterThan(usual)
})

test('the first verification waits for the stored costs', async () => {
  const listed = Promise.withResolvers<{ beginning: string; resultLength: number }[]>()
  const { verify, computed } = hasher(undefined, () => listed.promise)
  const verified = verify('wrong wonderland', undefined)
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
  expect(computed).toEqual([])
  listed.resolve([{ beginning: '$2b$14', resultLength: 53 }])
  expect(await verified).toEqual({ matches: false, needsRehash: false })
  expect(computed.at(-1)).toContain('$2b$14')
})
