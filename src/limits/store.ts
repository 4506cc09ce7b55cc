/** A store of rate limits: Redis, Postgres, or the memory of this process. */
import type { State, TakeRequest } from './algorithms.ts'

export type LimitStore = {
  name: 'redis' | 'postgres' | 'memory'
  /** One atomic step. Returns the written state. Rejects when the store is unavailable. */
  take: (key: Buffer, ask: TakeRequest) => Promise<State>
}
