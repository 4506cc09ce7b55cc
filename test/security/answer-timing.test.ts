/**
 * The answers are equal byte for byte and compute the same number of hashes, with or without an
 * account. Their time is measured separately: `npm run bench -- --login-timing`.
 */
import { comparisonsAt, groupsFor } from '../../bench/answers.ts'
import { behindProxy, floorCost, peopleLines } from '../../bench/people.ts'
import { compareCases } from '../../bench/timing.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { openAccountSetup, operator } from '../registration/setup.ts'

const tries = 4

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup({ env: behindProxy })
  // A worker decides what is sent. Without one, only the request's own work is counted.
  await setup.server.parts.queue.stop()
  await setup.server.addClient({
    clientId: 'demo-web',
    kind: 'web',
    secret: 'a secret of more than thirty-two characters',
    metadata: {
      client_name: 'Web App',
      redirect_uris: ['http://localhost:3001/callback'],
      scope: 'openid profile email',
    },
  })
  const lines = await peopleLines(groupsFor(2 * tries), floorCost)
  const batch = lines.map((text, index) => ({ number: index + 1, text }))
  expect(await setup.server.parts.accountImport.importBatch(batch, undefined, operator)).toMatchObject({
    imported: lines.length,
  })
})
afterAll(() => setup?.close())

const hashesSoFar = async () => Number(/_hash_seconds_count (\d+)/.exec(await setup.server.parts.metrics.metrics())![1])

test.each(['login', 'login with hashes of other costs', 'registration', 'recovery', 'the page after recovery'])(
  '%s gives the same response, byte for byte, after as many hashes, with and without an account',
  async (name) => {
    const { cases } = comparisonsAt(setup.server.issuer).find((comparison) => comparison.name === name)!
    const hashes = new Map<string, Set<number>>()
    const counted = cases.map((one) => ({
      name: one.name,
      run: async (index: number) => {
        const before = await hashesSoFar()
        const answered = await one.run(index)
        hashes.set(one.name, (hashes.get(one.name) ?? new Set()).add((await hashesSoFar()) - before))
        return answered
      },
    }))
    const { timings } = await compareCases(counted, tries)
    expect(timings.filter(({ isSameAnswer }) => !isSameAnswer)).toEqual([])
    const usual = hashes.get(cases[0]!.name)
    expect(usual?.size).toBe(1)
    for (const one of cases) expect([one.name, hashes.get(one.name)]).toEqual([one.name, usual])
  },
)
