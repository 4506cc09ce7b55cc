/**
 * The source of time. Every expiry compares stored times with this clock, never with the
 * database's.
 */
export type Clock = {
  /** Milliseconds since the epoch. */
  now: () => number
}

export const systemClock: Clock = { now: () => Date.now() }

/** A time as text for users: `2026-11-27 06:40 UTC`. `ms` since the epoch. */
export const atMinute = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
