/** Writes to Redis that can fall back to Postgres. */
import { ArtifactStoreUnavailable } from '../errors.ts'
import type { ShortLived } from './short-lived.ts'

/**
 * Writes the rows. Gives those that Redis refused: unavailable, not responding, full or read-only.
 * Throws every other failure.
 */
export async function refusedBy<
  Row extends Omit<Parameters<ShortLived['write']>[0], 'expiresAt'> & { expiresAt?: number },
>(redis: Pick<ShortLived, 'write'>, rows: readonly Row[]): Promise<Row[]> {
  const written = await Promise.allSettled(
    rows.map((row) => redis.write({ ...row, expiresAt: row.expiresAt as number })),
  )
  for (const one of written) {
    if (one.status === 'rejected' && !(one.reason instanceof ArtifactStoreUnavailable)) throw one.reason
  }
  return rows.filter((_, index) => written[index]?.status === 'rejected')
}
