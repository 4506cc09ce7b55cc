/**
 * Rows of `rate_limit`. One statement decides and writes, so that concurrent requests all count.
 */
import type { Pool } from 'pg'
import type { AlgorithmName, State } from './algorithms.ts'
import { expiresAt } from './algorithms.ts'
import type { LimitStore } from './store.ts'

// $1 key, $2 now (the server's clock), $3 limit, $4 window in ms, $5 wanted, $6 the row's expiry.
// The row is locked before its new values are computed, so READ COMMITTED is enough.
const head = 'INSERT INTO rate_limit AS l (key, granted, at, level, previous, hits, expires_at)'
const set = 'ON CONFLICT (key) DO UPDATE SET (granted, at, level, previous, hits, expires_at) ='
const end = 'RETURNING granted, at, level, previous, hits'
const now = '$2::bigint'
const limit = '$3::float8'
const window = '$4::float8'
const wanted = '$5::float8'
const atMost = (left: string) => `least(${wanted}, greatest(0, floor(${left} + 1e-9)))`
const full = `least(${wanted}, ${limit})`

const statements: Readonly<Record<AlgorithmName, string>> = {
  'token-bucket': `${head}
    VALUES ($1, ${full}, ${now}, ${limit} - ${full}, 0, '{}', $6)
    ${set} (
      SELECT f.granted, f.at, f.level - f.granted, 0, '{}'::bigint[], $6::bigint
      FROM (SELECT b.at, b.level, ${atMost('b.level')} AS granted
            FROM (SELECT greatest(l.at, ${now}) AS at,
                         least(${limit}, l.level + greatest(0, ${now} - l.at) * ${limit} / ${window}) AS level) b) f)
    ${end}`,

  'sliding-counter': `${head}
    VALUES ($1, ${full}, floor(${now} / ${window}) * ${window}, ${full}, 0, '{}', $6)
    ${set} (
      SELECT f.granted, f.at, f.level + f.granted, f.previous, '{}'::bigint[], $6::bigint
      FROM (SELECT w.at, w.level, w.previous,
                   ${atMost(`${limit} - w.level - w.previous * (${window} - (greatest(w.at, ${now}) - w.at)) / ${window}`)} AS granted
            FROM (SELECT b.at,
                         CASE WHEN b.at = l.at THEN l.level ELSE 0 END AS level,
                         CASE WHEN b.at = l.at THEN l.previous WHEN b.at = l.at + ${window} THEN l.level ELSE 0 END AS previous
                  FROM (SELECT greatest(l.at, (floor(${now} / ${window}) * ${window})::bigint) AS at) b) w) f)
    ${end}`,

  'sliding-log': `${head}
    VALUES ($1, ${full}, ${now}, 0, 0, array_fill(${now}, ARRAY[(${full})::int]), $6)
    ${set} (
      SELECT f.granted, ${now}, 0, 0, f.recent || array_fill(${now}, ARRAY[f.granted::int]), $6::bigint
      FROM (SELECT k.recent, ${atMost(`${limit} - cardinality(k.recent)`)} AS granted
            FROM (SELECT ARRAY(SELECT h FROM unnest(l.hits) AS h WHERE h > ${now} - ${window} ORDER BY h) AS recent) k) f)
    ${end}`,
}

type Row = { granted: number; at: number; level: number; previous: number; hits: readonly (number | string)[] }

export function createPostgresStore(pool: Pool): LimitStore {
  return {
    name: 'postgres',
    take: async (key, ask): Promise<State> => {
      const { algorithm } = ask
      const values = [key, ask.now, ask.limit, ask.windowMs, ask.wanted, expiresAt(ask)]
      const { rows } = await pool.query<Row>({ name: `limit-${algorithm}`, text: statements[algorithm], values })
      const { granted, at, level, previous, hits } = rows[0]!
      return { granted, at, level, previous, hits: hits.map(Number) }
    },
  }
}

/** Deletes at most `most` expired rows. Returns their number. */
export async function deleteExpired(pool: Pool, before: number, most: number): Promise<number> {
  // Rows that are locked by a count are skipped: they are in use.
  const { rowCount } = await pool.query(
    `DELETE FROM rate_limit WHERE key IN
       (SELECT key FROM rate_limit WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [before, most],
  )
  return rowCount ?? 0
}
