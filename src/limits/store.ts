/** A store of rate limits: Redis, Postgres, or the memory of this process. */
import type { State, TakeRequest } from './algorithms.ts'

export type LimitStore = {
  name: 'redis' | 'postgres' | 'memory'
  /** One atomic step: reads, decides, writes. Gives the state that it wrote. Rejects when the store is away. */
  take: (key: Buffer, ask: TakeRequest) => Promise<State>
}
