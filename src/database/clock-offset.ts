/**
 * Measures the difference between the database's clock and ours. Only our clock decides what has
 * expired.
 */
import type { Clock } from '../clock.ts'
import type { ClockOffset } from '../following-clock.ts'
import type { Queryable } from './database.ts'

export async function measureClockOffset(db: Queryable, clock: Clock): Promise<ClockOffset> {
  const before = clock.now()
  const startedAt = performance.now()
  const { rows } = await db.raw('SELECT (extract(epoch FROM statement_timestamp()) * 1000)::double precision AS ms')
  const uncertaintyMs = (performance.now() - startedAt) / 2
  // The answer is assumed to be from the middle of the round trip.
  return { offsetMs: Number(rows[0].ms) - (before + uncertaintyMs), uncertaintyMs }
}
