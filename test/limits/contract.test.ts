/**
 * The three algorithms in every store: equal requests get equal answers, and a hundred at once
 * count as a hundred.
 */
import { randomBytes } from 'node:crypto'
import type { AlgorithmName, TakeRequest } from '../../src/limits/algorithms.ts'
import { algorithmNames, judge, takeFrom } from '../../src/limits/algorithms.ts'
import type { LimitStore } from '../../src/limits/store.ts'
import { describeWith } from '../support/programs.ts'
import { storeKinds } from './stores.ts'

const minute = 60_000
/** The start of a minute, so that windows start where the test expects them. */
const start = 1_790_000_040_000

for (const { name, needs, open } of storeKinds) {
  describeWith(needs, name, () => {
    let store: LimitStore
    let close: () => Promise<unknown>
    beforeAll(async () => {
      const opened = await open()
      store = opened.store
      close = opened.close
    })
    afterAll(() => close?.())

    /** One key under one algorithm: asks at `start` plus the given milliseconds. */
    function key(algorithm: AlgorithmName, limit: number, windowMs = minute) {
      const digest = randomBytes(32)
      return async (afterMs: number, wanted = 1, ownLimit = limit) => {
        const ask: TakeRequest = { algorithm, limit: ownLimit, windowMs, wanted, now: start + afterMs }
        return judge(await store.take(digest, ask), ask)
      }
    }

    test.each(algorithmNames)('%s: a hundred concurrent requests count as a hundred', async (algorithm) => {
      const take = key(algorithm, 30)
      const answers = await Promise.all(Array.from({ length: 100 }, () => take(0)))
      expect(answers.filter(({ granted }) => granted === 1)).toHaveLength(30)
      expect((await take(0)).granted).toBe(0)
    })

    test.each(algorithmNames)('%s: two keys are counted independently', async (algorithm) => {
      const [one, other] = [key(algorithm, 1), key(algorithm, 1)]
      expect((await one(0)).granted).toBe(1)
      expect((await one(0)).granted).toBe(0)
      expect((await other(0)).granted).toBe(1)
    })

    test.each(algorithmNames)('%s: refused requests do not count', async (algorithm) => {
      const take = key(algorithm, 2)
      await take(0, 2)
      for (let index = 1; index < 50; index += 1) expect((await take(index)).granted).toBe(0)
      const { retryMs } = await take(50, 0)
      expect((await take(50 + retryMs - 1)).granted).toBe(0)
      expect((await take(50 + retryMs)).granted).toBe(1)
    })

    test.each(algorithmNames)('%s: a request for more than remains gets what remains', async (algorithm) => {
      const take = key(algorithm, 7)
      expect(await take(0, 5)).toMatchObject({ granted: 5, remaining: 2, retryMs: 0 })
      expect(await take(0, 5)).toMatchObject({ granted: 2, remaining: 0 })
    })

    test.each(algorithmNames)('%s: a lowered or raised limit applies at once', async (algorithm) => {
      const take = key(algorithm, 10)
      await take(0, 8)
      expect((await take(0, 5, 3)).granted).toBeLessThanOrEqual(2)
      expect((await take(0, 1, 3)).granted).toBe(0)
      const raised = await take(30_000, 100, 40)
      expect(raised.granted).toBeGreaterThan(10)
    })

    test.each(algorithmNames)('%s: the limit is full again after the reported time', async (algorithm) => {
      const take = key(algorithm, 20)
      const { resetMs } = await take(7_001, 13)
      expect((await take(7_001 + resetMs, 100)).granted).toBe(20)
    })

    test.each(algorithmNames)('%s: a clock that is behind, or jumps back, grants nothing', async (algorithm) => {
      const take = key(algorithm, 4)
      expect((await take(10_000, 4)).granted).toBe(4)
      for (const at of [9_000, 5_000, 0, 10_000]) expect((await take(at)).granted).toBe(0)
    })

    test('token-bucket: a token is refilled every window/limit, up to the limit', async () => {
      const take = key('token-bucket', 20)
      expect(await take(0, 20)).toEqual({ granted: 20, remaining: 0, resetMs: minute, retryMs: 3_000 })
      expect((await take(2_999)).granted).toBe(0)
      expect((await take(3_000)).granted).toBe(1)
      expect((await take(9_000, 5)).granted).toBe(2)
      expect((await take(24 * 60 * minute, 50)).granted).toBe(20)
    })

    test('sliding-counter: no burst across the edge of two windows', async () => {
      const take = key('sliding-counter', 20)
      expect((await take(minute - 1, 20)).granted).toBe(20)
      expect(await take(minute)).toMatchObject({ granted: 0, remaining: 0, retryMs: 3_000 })
      expect((await take(minute + 30_000, 20)).granted).toBe(10)
      expect((await take(2 * minute + 30_000, 20)).granted).toBe(15)
      expect((await take(9 * minute, 50)).granted).toBe(20)
    })

    test('sliding-log: at most the limit within any window', async () => {
      const take = key('sliding-log', 3, 60 * minute)
      for (const at of [0, 10 * minute, 50 * minute]) expect((await take(at)).granted).toBe(1)
      expect(await take(50 * minute)).toEqual({
        granted: 0,
        remaining: 0,
        resetMs: 60 * minute,
        retryMs: 10 * minute,
      })
      expect((await take(60 * minute - 1)).granted).toBe(0)
      expect((await take(60 * minute)).granted).toBe(1)
      expect((await take(65 * minute)).granted).toBe(0)
      expect((await take(70 * minute)).granted).toBe(1)
    })

    // A fixed pseudo-random sequence, so that a failure can be repeated.
    test.each(algorithmNames)('%s: a long history gives the results of the pure arithmetic', async (algorithm) => {
      const digest = randomBytes(32)
      let seed = 7
      const next = (most: number) => {
        seed = (seed * 48_271) % 2_147_483_647
        return seed % most
      }
      let now = start
      let state: ReturnType<typeof takeFrom> | undefined
      for (let step = 0; step < 150; step += 1) {
        now += next(10) === 0 ? next(150_000) : next(4_000)
        const ask: TakeRequest = {
          algorithm,
          limit: 7,
          windowMs: minute,
          wanted: 1 + next(3),
          now: now - next(3) * 500,
        }
        state = takeFrom(state, ask)
        expect({ step, ...(await store.take(digest, ask)) }).toEqual({ step, ...state })
      }
    })
  })
}
