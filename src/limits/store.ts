/** What keeps the state of limits: Redis, Postgres, or this process alone. */
import type { Ask, State } from './algorithms.ts'

export type LimitStore = {
  name: 'redis' | 'postgres' | 'memory'
  /** One atomic step: reads, decides, writes. Gives the state that it wrote. Rejects when the store is away. */
  take: (key: Buffer, ask: Ask) => Promise<State>
}
