/**
 * Removes what has expired: artifacts, end moments, outcomes of interactions, and the clients of
 * removed sessions.
 */
import type { Postgres, Statement } from './connection.ts'

// Client rows are normally removed with their session. Older rows whose session has no row are
// leftovers of other processes.
const leftoversAfterMs = 24 * 60 * 60 * 1000

const sweepExpired: Statement = {
  name: 'artifact_sweep',
  text: `
    WITH swept AS (
      DELETE FROM artifact WHERE id IN (
        SELECT id FROM artifact WHERE expires_at <= $1::int8 ORDER BY expires_at LIMIT $2::int4 FOR UPDATE SKIP LOCKED)
      RETURNING uid
    ), swept_end AS (
      DELETE FROM artifact_end WHERE key IN (
        SELECT key FROM artifact_end AS e WHERE expires_at <= $1::int8
          -- An end stays until its rows are removed: without it they would be valid again.
          AND NOT EXISTS (SELECT FROM artifact_sweep AS s WHERE s.key = e.key)
          ORDER BY expires_at LIMIT $2::int4 FOR UPDATE SKIP LOCKED)
      RETURNING 1
    ), swept_outcome AS (
      DELETE FROM interaction_outcome WHERE interaction IN (
        SELECT interaction FROM interaction_outcome WHERE expires_at <= $1::int8 ORDER BY expires_at LIMIT $2::int4
          FOR UPDATE SKIP LOCKED)
      RETURNING 1
    ), swept_client AS (
      DELETE FROM session_client s USING swept WHERE s.session_key = swept.uid RETURNING 1
    ), swept_leftover AS (
      DELETE FROM session_client WHERE (session_key, client_id, grant_key) IN (
        SELECT session_key, client_id, grant_key FROM session_client AS s
        WHERE noted_at <= $3::int8 AND NOT EXISTS (SELECT 1 FROM artifact WHERE uid = s.session_key)
        ORDER BY noted_at LIMIT $2::int4)
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM swept) + (SELECT count(*) FROM swept_end) + (SELECT count(*) FROM swept_outcome)
      + (SELECT count(*) FROM swept_client) + (SELECT count(*) FROM swept_leftover)`,
}

/**
 * Gives a function that removes at most `limit` rows of each kind, and gives how many it removed.
 */
export const createSweep =
  ({ postgres, now }: { postgres: Postgres; now: () => number }) =>
  async (limit: number): Promise<number> => {
    const [row] = await postgres.query(sweepExpired, [now(), limit, now() - leftoversAfterMs])
    return Number(row?.[0] ?? 0)
  }
