/** Rate limits of this process only, used when no store answers. */
import type { State } from './algorithms.ts'
import { expiresAt, takeFrom } from './algorithms.ts'
import type { LimitStore } from './store.ts'

/** At most `maxKeys` keys. Beyond that, the least recently used key is dropped. */
export function createMemoryStore({ maxKeys }: { maxKeys: number }): LimitStore {
  const states = new Map<string, { state: State; forgottenAt: number }>()
  return {
    name: 'memory',
    take: async (key, ask) => {
      const name = key.toString('base64url')
      const known = states.get(name)
      const state = takeFrom(known && known.forgottenAt > ask.now ? known.state : undefined, ask)
      states.delete(name)
      states.set(name, { state, forgottenAt: expiresAt(ask) })
      if (states.size > maxKeys) states.delete(states.keys().next().value!)
      return state
    },
  }
}
