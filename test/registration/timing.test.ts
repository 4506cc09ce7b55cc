/** What an answer's time could reveal: nothing, because the work is the same for every address. */
import { createBrowser } from '../support/browser.ts'
import type { AccountSetup } from './setup.ts'
import { openAccountSetup } from './setup.ts'

let setup: AccountSetup
const statements: string[] = []
beforeAll(async () => {
  setup = await openAccountSetup()
  // A worker decides what is sent. Without one, every query comes from the request.
  await setup.server.parts.queue.stop()
  await setup.register({ email: 'unproven@example.com' })
  // The periodic reads of the key ring and of other processes belong to no request.
  const isPeriodic = (sql: string) => /\bstore_\w+|"(signing_key|root_secret)"/.test(sql)
  setup.server.database.knex.on('query', ({ sql }) => {
    if (!isPeriodic(sql)) statements.push(sql)
  })
})
afterAll(() => setup?.close())

async function asked(work: () => Promise<{ status: number }>): Promise<string[]> {
  statements.length = 0
  expect((await work()).status).toBe(200)
  expect(statements.length).toBeGreaterThan(1)
  return [...statements]
}

test('a registration sends the same queries to the database, and hashes once, for a free, an unproven and a taken email', async () => {
  const { parts } = setup.server
  const hashes = async () => Number(/_hash_seconds_count (\d+)/.exec(await parts.metrics.metrics())![1])
  const seen: { statements: string[]; hashes: number }[] = []
  for (const email of ['alice@example.com', 'free@example.com', 'unproven@example.com']) {
    const before = await hashes()
    seen.push({ statements: await asked(() => setup.register({ email })), hashes: (await hashes()) - before })
  }
  expect(seen[1]).toEqual(seen[0])
  expect(seen[2]).toEqual(seen[0])
  expect(seen[0]!.hashes).toBe(1)
})

test('a recovery sends the same queries to the database, and hashes nothing, whether or not the address has an account', async () => {
  const browser = createBrowser()
  const seen: string[][] = []
  for (const email of ['alice@example.com', 'nobody@example.com', 'unproven@example.com']) {
    seen.push(await asked(() => setup.askForRecovery(email, browser)))
  }
  expect(seen[1]).toEqual(seen[0])
  expect(seen[2]).toEqual(seen[0])
  // The request reads no account.
  expect(seen[0]!.filter((sql) => /\baccount\b/.test(sql))).toEqual([])
})
