/**
 * An outage is a time in which the database answered no process. Every process writes heartbeats,
 * and a long gap between two heartbeats is an outage.
 */
import type { Knex } from 'knex'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'

/** Milliseconds since the epoch. */
export type Outage = Readonly<{ beganAt: number; endedAt: number }>

/** A longer gap between heartbeats is an outage. Each process writes one every three seconds. */
const longestGapMs = 5_000
/** Outages are needed for the longest grace window of a client, which is five minutes. */
const retentionMs = 60 * 60_000
/** The longest window plus the allowed difference between two clocks. */
const longestWindowMs = 6 * 60_000
/**
 * A heartbeat records its start as the end of an outage. For a slower one, that is too early.
 */
const promptMs = 1_000

// A heartbeat writes the time of the previous answer, not its own: a frozen database may run it
// late, and the gap must stay visible. The lock makes processes see each other's heartbeats.
const beat = `
  WITH last AS (
    SELECT greatest(beat_at, :since::bigint) AS beat_at FROM store_heartbeat FOR UPDATE
  ), outage AS (
    INSERT INTO store_outage AS o (began_at, ended_at)
    SELECT beat_at, :now::bigint FROM last WHERE beat_at > 0 AND :now::bigint - beat_at > ${longestGapMs}
    ON CONFLICT (began_at) DO UPDATE SET ended_at = greatest(o.ended_at, excluded.ended_at)
    RETURNING began_at
  ), forgotten AS (
    DELETE FROM store_outage WHERE ended_at < :now::bigint - ${retentionMs}
  ), written AS (
    UPDATE store_heartbeat h SET beat_at = last.beat_at FROM last
  )
  SELECT count(*) AS count FROM outage`

const noted = `
  SELECT beat_at, began_at, ended_at FROM store_heartbeat LEFT JOIN store_outage ON true ORDER BY began_at, ended_at`

type Row = { began_at: string | number; ended_at: string | number }
const toOutage = (row: Row): Outage => ({ beganAt: Number(row.began_at), endedAt: Number(row.ended_at) })

/**
 * The start of the grace window: `spentAt` or, when an outage overlaps the window, the end of that
 * outage.
 */
export function windowBegins(outages: readonly Outage[], spentAt: number, windowMs: number): number {
  let begins = spentAt
  for (const { beganAt, endedAt } of outages) {
    if (begins >= beganAt - windowMs && begins <= endedAt) begins = endedAt
  }
  return begins
}

/**
 * Windows of tokens spent until the returned time are over, and no outage can extend them. An
 * outage after `beatAt`, the last heartbeat, affects only tokens spent after `beatAt - windowMs`.
 */
export function graceWindowsClosedUntil(outages: readonly Outage[], beatAt: number, windowMs: number): number {
  let latest = beatAt - windowMs - 1
  for (const { beganAt, endedAt } of outages.toReversed()) {
    if (endedAt > latest) latest = Math.min(latest, beganAt - windowMs - 1)
  }
  return latest
}

type Deps = { db: Knex; clock: Clock; log: Log }

export type Outages = ReturnType<typeof createOutages>

export function createOutages({ db, clock, log }: Deps) {
  let outages: readonly Outage[] = []
  /** When the last heartbeat was answered, by the wall clock and by the monotonic clock. */
  let answered: { wall: number; steady: number } | undefined
  let hasFailed = false
  let beating: Promise<void> | undefined

  /**
   * The time of the last answer. Unless a heartbeat failed, the monotonic clock limits the gap,
   * because a changed wall clock is not an outage.
   */
  function unansweredSince(now: number): number {
    if (!answered) return 0
    if (hasFailed) return answered.wall
    return now - Math.max(0, Math.min(now - answered.wall, Math.ceil(performance.now() - answered.steady)))
  }

  async function readOutages(): Promise<void> {
    const rows: Row[] = await db('store_outage')
      .select('began_at', 'ended_at')
      .orderBy([{ column: 'began_at' }, { column: 'ended_at' }])
    outages = rows.map(toOutage)
  }

  async function beatOnce(): Promise<{ isNew: boolean; tookMs: number }> {
    const [now, startedAt] = [clock.now(), performance.now()]
    const { rows } = await db.raw(beat, { now, since: unansweredSince(now) })
    return { isNew: Number(rows[0].count) > 0, tookMs: performance.now() - startedAt }
  }

  async function beatUntilPrompt(): Promise<void> {
    try {
      let last = await beatOnce()
      while (last.isNew && last.tookMs > promptMs) last = await beatOnce()
      await readOutages()
      // Only `info` at the start of a process: possibly no process was running.
      if (last.isNew)
        log[answered ? 'warn' : 'info'](
          { outage: outages.at(-1) },
          'no process had an answer of the database for a while',
        )
      answered = { wall: clock.now(), steady: performance.now() }
      hasFailed = false
    } catch (error) {
      // Logged once as a warning, not at every heartbeat.
      log[hasFailed ? 'debug' : 'warn']({ err: error }, 'heartbeat not written')
      hasFailed = true
      throw error
    }
  }

  /** Only one heartbeat runs at a time. */
  function beatNow(): Promise<void> {
    beating ??= beatUntilPrompt().finally(() => {
      beating = undefined
    })
    return beating
  }

  return {
    /**
     * Writes a heartbeat and reads the outages. Never throws: the next heartbeat handles a failure.
     */
    heartbeat: (): Promise<void> => beatNow().catch(() => {}),

    /**
     * `windowBegins` with every outage that has ended. Throws when the database cannot be asked.
     */
    async graceBegins(spentAt: number, windowMs: number): Promise<number> {
      const isCurrent = answered && !hasFailed && performance.now() - answered.steady <= longestGapMs
      if (!isCurrent) await beatNow()
      return windowBegins(outages, spentAt, windowMs)
    },

    /**
     * `graceWindowsClosedUntil` for the longest window, with the heartbeat and the outages of one
     * moment in the database.
     */
    async graceWindowsClosedUntil(): Promise<number> {
      const { rows } = await db.raw(noted)
      const [{ beat_at: beatAt }] = rows as [{ beat_at: string | number }]
      const known = (rows as Partial<Row>[]).filter((row): row is Row => row.began_at !== null)
      return graceWindowsClosedUntil(known.map(toOutage), Number(beatAt), longestWindowMs)
    },
  }
}
