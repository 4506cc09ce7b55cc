/** Writes to Redis that can fall back to Postgres. */
import type { ShortLived } from './short-lived.ts'

/**
 * Writes the rows. Gives those that Redis refused: unavailable, not responding, full or read-only.
 */
export async function refusedBy<
  Row extends Omit<Parameters<ShortLived['write']>[0], 'expiresAt'> & { expiresAt?: number },
>(redis: Pick<ShortLived, 'write'>, rows: readonly Row[]): Promise<Row[]> {
  const written = await Promise.allSettled(
    rows.map((row) => redis.write({ ...row, expiresAt: row.expiresAt as number })),
  )
  return rows.filter((_, index) => written[index]?.status === 'rejected')
}
