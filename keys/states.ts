/**
 * The states of a signing key: created → announced → active → retired → removed (its row is
 * deleted).
 */

export const keyStates = ['created', 'announced', 'active', 'retired'] as const
export type KeyState = (typeof keyStates)[number]

/** The state of a key and since when, in milliseconds since the epoch. */
export type KeyLife = Readonly<{
  state: KeyState
  createdAt: number
  announcedAt: number | undefined
  activatedAt: number | undefined
  retiredAt: number | undefined
}>

/** How long a key stays in each state, in milliseconds. */
export type KeyTimes = Readonly<{
  /** At least one lifetime of a cached JWKS, so that clients know the key before it signs. */
  announcedMs: number
  activeMs: number
  /** At least the longest lifetime of any token that the key has signed. */
  retiredMs: number
}>

/** The next state of a key and its earliest time, in milliseconds since the epoch. */
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
 * The state that `key` should have at `nowMs`: its own or the next one, so that no state is
 * skipped. The caller makes sure that another key can sign before this one retires.
 */
export function dueState(key: KeyLife, times: KeyTimes, nowMs: number): KeyState | 'removed' {
  const { state, atMs } = nextStep(key, times)
  return nowMs >= atMs ? state : key.state
}

// The engine signs with the first key of an algorithm in `jwks`: the active one is first, the
// others only verify.
const order: readonly KeyState[] = ['active', 'announced', 'retired']

/** Whether a key in this state is in the JWKS. */
export const isPublished = (state: KeyState): boolean => order.includes(state)

/** Sorts keys of one algorithm: active, announced, retired; the newest first. */
export const compareKeys = (one: KeyLife, other: KeyLife): number =>
  order.indexOf(one.state) - order.indexOf(other.state) || other.createdAt - one.createdAt
