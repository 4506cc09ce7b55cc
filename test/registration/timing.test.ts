/** What an answer's time could tell: nothing, because the same is done for every address. */
import { createBrowser } from '../support/browser.ts'
import type { PeopleHouse } from './house.ts'
import { goodPassword, openPeopleHouse } from './house.ts'

let house: PeopleHouse
const statements: string[] = []
beforeAll(async () => {
  house = await openPeopleHouse()
  // What is sent is decided by a worker: without one, whatever is asked of the database is asked by the request.
  await house.server.parts.queue.stop()
  await house.register({ email: 'unproven@example.com' })
  house.server.database.knex.on('query', ({ sql }) => statements.push(sql))
})
afterAll(() => house?.close())

async function asked(work: () => Promise<{ status: number }>): Promise<string[]> {
  statements.length = 0
  expect((await work()).status).toBe(200)
  expect(statements.length).toBeGreaterThan(1)
  return [...statements]
}

test('a registration asks the same of the database, and hashes once, whether the address is free, unproven or taken', async () => {
  const { parts } = house.server
  const hashes = async () => Number(/_hash_seconds_count (\d+)/.exec(await parts.metrics.metrics())![1])
  const seen: { statements: string[]; hashes: number }[] = []
  for (const email of ['alice@example.com', 'free@example.com', 'unproven@example.com']) {
    const before = await hashes()
    seen.push({ statements: await asked(() => house.register({ email })), hashes: (await hashes()) - before })
  }
  expect(seen[1]).toEqual(seen[0])
  expect(seen[2]).toEqual(seen[0])
  expect(seen[0]!.hashes).toBe(1)
})

test('a recovery asks the same of the database, and hashes nothing, whoever has the address', async () => {
  const browser = createBrowser()
  const seen: string[][] = []
  for (const email of ['alice@example.com', 'nobody@example.com', 'unproven@example.com']) {
    seen.push(await asked(() => house.askForRecovery(email, browser)))
  }
  expect(seen[1]).toEqual(seen[0])
  expect(seen[2]).toEqual(seen[0])
  // Nobody is looked up at all.
  expect(seen[0]!.filter((sql) => /\baccount\b/.test(sql))).toEqual([])
})

/** LATCHKEY_TIMING=200 runs so many interleaved tries and prints the medians. Not by default: on a busy machine the neighbours decide it. */
const tries = Number(process.env.LATCHKEY_TIMING ?? 0)
if (tries > 0) {
  test.each([
    ['/register', { name: 'Timed', password: goodPassword }],
    ['/recover', {}],
  ])(
    '%s takes as long for known and unknown addresses',
    async (path, fields) => {
      const browser = createBrowser()
      const csrf = /name="csrf" value="([^"]+)"/.exec((await browser.get(house.at(path))).body)![1]!
      const times = { known: [] as number[], unknown: [] as number[], again: [] as number[] }
      for (let n = 0; n < tries; n += 1) {
        const cases = [
          ['known', 'alice@example.com'],
          ['unknown', `free-${path.slice(1)}-${n}@example.com`],
          ['again', 'alice@example.com'],
        ] as const
        for (let turn = 0; turn < 3; turn += 1) {
          const [name, email] = cases[(n + turn) % 3]!
          const began = performance.now()
          await browser.post(house.at(path), { csrf, email, ...fields })
          times[name].push(performance.now() - began)
        }
      }
      const [known, unknown, again] = [median(times.known), median(times.unknown), median(times.again)]
      const apart = Math.abs(unknown - known) / known
      const itself = Math.abs(again - known) / known
      const percent = (share: number) => `${(share * 100).toFixed(1)} %`
      process.stderr.write(
        `${path}: known ${known.toFixed(2)} ms, unknown ${unknown.toFixed(2)} ms (${percent(apart)}); known with itself ${percent(itself)}\n`,
      )
      expect(apart).toBeLessThanOrEqual(0.05 + itself)
    },
    300_000,
  )
}

const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!
