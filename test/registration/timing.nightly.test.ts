/**
 * What an answer's time reveals, in medians of LATCHKEY_TIMING (or 100) interleaved tries. Needs a
 * quiet machine.
 */
import { createBrowser } from '../support/browser.ts'
import type { AccountSetup } from './setup.ts'
import { goodPassword, openAccountSetup } from './setup.ts'

const tries = Number(process.env.LATCHKEY_TIMING ?? 100)

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
  // A worker decides what is sent. Without one, only the request's own work takes time.
  await setup.server.parts.queue.stop()
})
afterAll(() => setup?.close())

test.each([
  ['/register', { name: 'Timed', password: goodPassword }],
  ['/recover', {}],
])(
  '%s takes the same time for known and unknown emails',
  async (path, fields) => {
    const browser = createBrowser()
    const csrf = /name="csrf" value="([^"]+)"/.exec((await browser.get(setup.at(path))).body)![1]!
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
        await browser.post(setup.at(path), { csrf, email, ...fields })
        times[name].push(performance.now() - began)
      }
    }
    const [known, unknown, again] = [median(times.known), median(times.unknown), median(times.again)]
    const apart = Math.abs(unknown - known) / known
    const selfDistance = Math.abs(again - known) / known
    const percent = (share: number) => `${(share * 100).toFixed(1)} %`
    process.stderr.write(
      `${path}: known ${known.toFixed(2)} ms, unknown ${unknown.toFixed(2)} ms (${percent(apart)}); known with itself ${percent(selfDistance)}\n`,
    )
    expect(apart).toBeLessThanOrEqual(0.05 + selfDistance)
  },
  300_000,
)

const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!
