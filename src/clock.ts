/** Where the time comes from. Everything that expires compares stored times with this clock, never with the database's. */
export type Clock = {
  /** Milliseconds since the epoch. */
  now: () => number
}

export const systemClock: Clock = { now: () => Date.now() }

/** A moment as people read it: `2026-11-27 06:40 UTC`. `ms` since the epoch. */
export const atMinute = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
