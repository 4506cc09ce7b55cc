/** The life of a signing key: created → announced → active → retired → removed (its row is gone). */

export const keyStates = ['created', 'announced', 'active', 'retired'] as const
export type KeyState = (typeof keyStates)[number]

/** Where a key is in its life and since when, in milliseconds since the epoch. */
export type KeyLife = Readonly<{
  state: KeyState
  createdAt: number
  announcedAt: number | undefined
  activatedAt: number | undefined
  retiredAt: number | undefined
}>

/** How long a key stays in each state, in milliseconds. */
export type KeyTimes = Readonly<{
  /** At least one lifetime of a cached JWKS, so that everybody knows the key before it signs. */
  announcedMs: number
  activeMs: number
  /** At least the longest life of anything the key has signed. */
  retiredMs: number
}>

/** What comes next in the life of a key, and when at the earliest, in milliseconds since the epoch. */
export function nextStep(key: KeyLife, times: KeyTimes): { state: KeyState | 'removed'; atMs: number } {
  switch (key.state) {
    case 'created':
      return { state: 'announced', atMs: key.createdAt }
    case 'announced':
      return { state: 'active', atMs: (key.announcedAt ?? 0) + times.announcedMs }
    case 'active':
      return { state: 'retired', atMs: (key.activatedAt ?? 0) + times.activeMs }
    case 'retired':
      return { state: 'removed', atMs: (key.retiredAt ?? 0) + times.retiredMs }
  }
}

/**
 * The state in which `key` ought to be at `nowMs`: its own, or the one that follows. One step a call, so that none is skipped by a
 * process that slept. That a key retires only when another is ready to sign is for the caller.
 */
export function dueState(key: KeyLife, times: KeyTimes, nowMs: number): KeyState | 'removed' {
  const { state, atMs } = nextStep(key, times)
  return nowMs >= atMs ? state : key.state
}

// The first key of an algorithm in the engine's `jwks` signs: the active one leads, the rest is there to be verified with.
const order: readonly KeyState[] = ['active', 'announced', 'retired']

/** Whether a key in this state is in the JWKS. */
export const isPublished = (state: KeyState): boolean => order.includes(state)

/** Sorts keys of one algorithm: the one that signs, then the announced, then the retired, the youngest first. */
export const compareKeys = (one: KeyLife, other: KeyLife): number =>
  order.indexOf(one.state) - order.indexOf(other.state) || other.createdAt - one.createdAt
