/** Rows of `guess_count`, `guess_address`, `known_browser`. One statement counts each attempt. */
import type { Queryable, Tx } from '../database/database.ts'

export type AttemptCount = Readonly<{
  tries: number
  total: number
  lockedUntil: number | undefined
  hasJustLocked: boolean
}>

export type LockRules = Readonly<{
  windowMs: number
  /** The attempt that locks. */
  lockAt: number
  lockMs: number
  /** How many times the duration of a lock doubles. */
  doublings: number
  /** Earlier locks no longer count after this time without attempts. */
  lockMemoryMs: number
}>

/**
 * Counts an attempt before it is verified. A lock does not become longer: only `tries` increases.
 */
export async function countAttempt(db: Queryable, key: Buffer, now: number, rules: LockRules): Promise<AttemptCount> {
  const { rows } = await db.raw(
    `INSERT INTO guess_count AS g (key, tries, window_from, total, locks, seen_at) VALUES (:key, 1, :now, 1, 0, :now)
     ON CONFLICT (key) DO UPDATE SET
       tries = CASE WHEN g.locked_until > :now THEN g.tries + 1
         WHEN g.locked_until <= :now OR g.window_from <= :since THEN 1 ELSE g.tries + 1 END,
       window_from = CASE WHEN g.locked_until > :now THEN g.window_from
         WHEN g.locked_until <= :now OR g.window_from <= :since THEN :now ELSE g.window_from END,
       total = CASE WHEN g.locked_until > :now THEN g.total ELSE g.total + 1 END,
       locks = CASE WHEN g.locked_until > :now THEN g.locks
         WHEN g.locked_until IS NULL AND g.window_from > :since AND g.tries + 1 >= :lockAt THEN g.locks + 1
         WHEN g.seen_at <= :forgetBefore THEN 0 ELSE g.locks END,
       locked_until = CASE WHEN g.locked_until > :now THEN g.locked_until
         WHEN g.locked_until IS NULL AND g.window_from > :since AND g.tries + 1 >= :lockAt
           THEN :now + :lockMs::bigint * (1 << least(CASE WHEN g.seen_at <= :forgetBefore THEN 0 ELSE g.locks END, :doublings::int))
         ELSE NULL END,
       seen_at = :now
     RETURNING tries, total, locked_until`,
    {
      key,
      now,
      since: now - rules.windowMs,
      lockAt: rules.lockAt,
      lockMs: rules.lockMs,
      doublings: rules.doublings,
      forgetBefore: now - rules.lockMemoryMs,
    },
  )
  const { tries, total, locked_until: lockedUntil } = rows[0]
  return {
    tries,
    total,
    lockedUntil: lockedUntil === null ? undefined : Number(lockedUntil),
    hasJustLocked: lockedUntil !== null && tries === rules.lockAt,
  }
}

/** Removes an attempt that was not a failure. `isSuccess` also resets the consecutive failures. */
export async function undoAttempt(db: Queryable, key: Buffer, isSuccess: boolean): Promise<void> {
  await db.raw(
    `UPDATE guess_count SET tries = greatest(tries - 1, 0), total = CASE WHEN ? THEN 0 ELSE greatest(total - 1, 0) END
     WHERE key = ?`,
    [isSuccess, key],
  )
}

/** Deletes the attempts in the account's known browsers. */
export async function clearBrowserAttempts(tx: Queryable, accountId: string): Promise<void> {
  await tx.raw('DELETE FROM guess_count WHERE key IN (SELECT key FROM known_browser WHERE account_id = ?)', [accountId])
}

export async function clearAttempts(db: Queryable, key: Buffer): Promise<void> {
  await db('guess_count').where({ key }).delete()
}

/**
 * Known failures. `hourWorstCase` also counts the pending attempts, including this one, as
 * failures.
 */
export type NetworkFailures = Readonly<{
  quarterFailures: number
  hourFailures: number
  hourWorstCase: number
  hourEndsAt: number
}>

const quarterMs = 15 * 60_000
const hourMs = 60 * 60_000

/**
 * Begins an attempt for every prefix of an IP address. Returns the highest counts. Pending attempts
 * of a killed process expire after 15 minutes.
 */
export async function beginNetworkAttempt(
  db: Queryable,
  keys: readonly Buffer[],
  now: number,
): Promise<NetworkFailures> {
  const { rows } = await db.raw(
    `INSERT INTO guess_address AS a (key, quarter_tries, quarter_from, hour_tries, hour_from, pending)
     SELECT key, 0, :now, 0, :now, 1 FROM unnest(:keys::bytea[]) AS key ORDER BY key
     ON CONFLICT (key) DO UPDATE SET
       quarter_tries = CASE WHEN a.quarter_from <= :quarter THEN 0 ELSE a.quarter_tries END,
       quarter_from = CASE WHEN a.quarter_from <= :quarter THEN :now ELSE a.quarter_from END,
       hour_tries = CASE WHEN a.hour_from <= :hour THEN 0 ELSE a.hour_tries END,
       hour_from = CASE WHEN a.hour_from <= :hour THEN :now ELSE a.hour_from END,
       pending = CASE WHEN a.quarter_from <= :quarter THEN 1 ELSE a.pending + 1 END
     RETURNING quarter_tries, hour_tries, hour_tries + pending AS hour_most, hour_from`,
    { now, keys, quarter: now - quarterMs, hour: now - hourMs },
  )
  return {
    quarterFailures: worst(rows, 'quarter_tries'),
    hourFailures: worst(rows, 'hour_tries'),
    hourWorstCase: worst(rows, 'hour_most'),
    hourEndsAt: worst(rows, 'hour_from') + hourMs,
  }
}

/** Ends an attempt. Returns the failures of the last 15 minutes, including this one. */
export async function endNetworkAttempt(db: Queryable, keys: readonly Buffer[], isFailure: boolean): Promise<number> {
  const { rows } = await db.raw(
    `UPDATE guess_address SET pending = greatest(pending - 1, 0),
       quarter_tries = quarter_tries + :failures, hour_tries = hour_tries + :failures
     WHERE key IN (SELECT key FROM guess_address WHERE key = ANY(:keys) ORDER BY key FOR UPDATE)
     RETURNING quarter_tries`,
    { keys, failures: isFailure ? 1 : 0 },
  )
  return worst(rows, 'quarter_tries')
}

const worst = (rows: readonly Record<string, unknown>[], column: string): number =>
  Math.max(0, ...rows.map((row) => Number(row[column])))

/** Returns the number of deleted rows. */
export async function deleteNetworkFailures(tx: Tx, keys: readonly Buffer[]): Promise<number> {
  // Locked in the same order as in attempts, to avoid deadlocks.
  const { rowCount } = await tx.raw(
    'DELETE FROM guess_address WHERE key IN (SELECT key FROM guess_address WHERE key = ANY(?) ORDER BY key FOR UPDATE)',
    [keys],
  )
  return rowCount ?? 0
}

/** A browser is known only in the generation of the account in which it signed in. */
export async function isKnownBrowser(db: Queryable, key: Buffer, seenAfter: number): Promise<boolean> {
  const row = await db('known_browser AS b')
    .join('account AS a', (join) => join.on('a.id', 'b.account_id').andOn('a.generation', 'b.generation'))
    .where('b.key', key)
    .where('b.seen_at', '>', seenAfter)
    .first('b.seen_at')
  return row !== undefined
}

/** Within a reset of the account: deletes every other known browser. This one gets a new key. */
export async function deleteKnownBrowsers(
  tx: Tx,
  accountId: string,
  preserved: { key: Buffer; generation: number; at: number } | undefined,
): Promise<void> {
  await clearBrowserAttempts(tx, accountId)
  await tx('known_browser').where({ account_id: accountId }).delete()
  if (!preserved) return
  const row = { account_id: accountId, generation: preserved.generation, seen_at: preserved.at }
  await tx('known_browser')
    .insert({ key: preserved.key, ...row })
    .onConflict('key')
    .merge(row)
}

type KnownBrowser = { key: Buffer; accountId: string; generation: number; at: number }

/**
 * Returns `new` for a new browser of an account with other known browsers. Keeps the `most` latest.
 * Returns `reset`, and writes nothing, when the account was reset after the sign-in began.
 */
export async function putKnownBrowser(tx: Tx, browser: KnownBrowser, most: number): Promise<'new' | 'known' | 'reset'> {
  const { rows } = await tx.raw(
    `WITH others AS (SELECT count(*) AS count FROM known_browser WHERE account_id = :accountId AND key <> :key),
     put AS (
       INSERT INTO known_browser AS k (key, account_id, generation, seen_at)
       SELECT :key::bytea, id, generation, :at::bigint
       FROM (SELECT id, generation FROM account WHERE id = :accountId AND generation = :generation FOR NO KEY UPDATE) AS a
       ON CONFLICT (key) DO UPDATE SET account_id = excluded.account_id, generation = excluded.generation,
         seen_at = excluded.seen_at
       RETURNING xmax = 0 AS is_new)
     SELECT put.is_new, others.count > 0 AS has_others FROM put, others`,
    browser,
  )
  const [row] = rows
  if (!row) return 'reset'
  if (!row.is_new) return 'known'
  // The account's row is locked, so concurrent sign-ins cannot leave more rows.
  await tx.raw(
    `DELETE FROM known_browser WHERE key IN (
       SELECT key FROM known_browser WHERE account_id = :accountId ORDER BY key = :key DESC, seen_at DESC OFFSET :most)`,
    { accountId: browser.accountId, key: browser.key, most },
  )
  return row.has_others ? 'new' : 'known'
}

type Ages = { countsBefore: number; networksBefore: number; browsersBefore: number }

/**
 * Deletes expired rows. Returns their number. A count of a hundred failures stays until a reset.
 */
export async function sweep(db: Queryable, { countsBefore, networksBefore, browsersBefore }: Ages, limit: number) {
  const statements: [string, (string | number)[]][] = [
    [
      'key IN (SELECT key FROM guess_count WHERE seen_at < ? AND total < 100 ORDER BY seen_at LIMIT ?)',
      [countsBefore, limit],
    ],
    ['key IN (SELECT key FROM guess_address WHERE hour_from < ? ORDER BY hour_from LIMIT ?)', [networksBefore, limit]],
    ['key IN (SELECT key FROM known_browser WHERE seen_at < ? ORDER BY seen_at LIMIT ?)', [browsersBefore, limit]],
  ]
  const tables = ['guess_count', 'guess_address', 'known_browser']
  let total = 0
  for (const [index, [where, bindings]] of statements.entries()) {
    const { rowCount } = await db.raw(`DELETE FROM ?? WHERE ${where}`, [tables[index] ?? '', ...bindings])
    total += rowCount ?? 0
  }
  return total
}
