/**
 * Attacks 5 and 6, in time: what `npm run bench -- --login-timing` measures with the cost of production, smaller and with the cheapest hash,
 * so that what is beside the hash weighs more.
 */
import { comparisonsAt, groupsFor } from '../../bench/answers.ts'
import { behindProxy, floorCost, peopleLines } from '../../bench/people.ts'
import { compareCases } from '../../bench/timing.ts'
import type { PeopleHouse } from '../registration/house.ts'
import { openPeopleHouse, operator } from '../registration/house.ts'

const tries = 30
/** This machine has other things to do. A difference that is there is there each time; one that a neighbour made is not. */
const mostAttempts = 4

let house: PeopleHouse
beforeAll(async () => {
  house = await openPeopleHouse({ env: behindProxy })
  // What is sent is decided by a worker: without one, only the request's own time is measured.
  await house.server.parts.queue.stop()
  await house.server.addClient({
    clientId: 'demo-web',
    kind: 'web',
    secret: 'a secret of more than thirty-two characters',
    metadata: {
      client_name: 'Web App',
      redirect_uris: ['http://localhost:3001/callback'],
      scope: 'openid profile email',
    },
  })
  const lines = await peopleLines(groupsFor(2 * tries * mostAttempts), floorCost)
  const batch = lines.map((text, index) => ({ number: index + 1, text }))
  expect(await house.server.parts.accountImport.importBatch(batch, undefined, operator)).toMatchObject({
    imported: lines.length,
  })
}, 60_000)
afterAll(() => house?.close())

test.each(['login', 'registration', 'recovery'])(
  '%s answers alike, byte for byte, and takes as long, whoever has the address',
  async (name) => {
    const { cases } = comparisonsAt(house.server.issuer).find((comparison) => comparison.name === name)!
    for (let attempt = 0; ; attempt += 1) {
      // Other people at each attempt: whoever registered or failed before is no longer who they were.
      const moved = cases.map(({ name, run }) => ({ name, run: (index: number) => run(2 * tries * attempt + index) }))
      const { timings, itself, isAlike } = await compareCases(moved, tries)
      expect(timings.filter(({ isSameAnswer }) => !isSameAnswer)).toEqual([])
      if (isAlike) return
      if (attempt + 1 === mostAttempts) throw new Error(JSON.stringify({ itself, timings }, null, 2))
    }
  },
  240_000,
)
