/** Writing to Redis what Postgres can keep as well. */
import type { ShortLived } from './short-lived.ts'

/** Writes the rows; gives those that Redis did not take, because it is away, silent, full or read-only. */
export async function refusedBy<
  Row extends Omit<Parameters<ShortLived['write']>[0], 'expiresAt'> & { expiresAt?: number },
>(redis: Pick<ShortLived, 'write'>, rows: readonly Row[]): Promise<Row[]> {
  const written = await Promise.allSettled(
    rows.map((row) => redis.write({ ...row, expiresAt: row.expiresAt as number })),
  )
  return rows.filter((_, index) => written[index]?.status === 'rejected')
}
