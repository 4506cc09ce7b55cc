/**
 * The statements of the group writer: the rows, conditions and deletions of many requests as
 * arrays. A statement has only the parts that a batch needs, because Postgres prepares unused parts
 * too.
 */
import type { Statement } from './connection.ts'
import { lives } from './ended.ts'

/** The numbers of the conditions, and the number of a row that is written without a condition. */
export const kinds = { spend: 1, alive: 2, browser: 3 } as const
export const always = -1

/** How long an answer may be repeated (milliseconds), after a double click or a lost response. */
export const repeatableMs = 30_000

// A session never has more than 1,000 client rows (with near certainty): one code in 16 removes all
// but the newest 800.
const maxSessionClients = 800
const trimsOneIn = 16

/**
 * Whether this grant also removes the oldest clients of its session. The key is a digest, so about
 * one grant in 16 does.
 */
export const trims = (grantKey: Buffer): boolean => (grantKey[0] ?? 0) % trimsOneIn === 0

/** The parts of one statement. Its values have the same order; an unused part has none. */
export type Parts = Readonly<{
  /** Conditions `spend` and `alive`. */
  isSpending: boolean
  /** Conditions `browser`: on outcomes alone, or on accounts and sessions too. */
  browsers: 'none' | 'outcomes' | 'sessions'
  isDestroying: boolean
  isEndingSessions: boolean
  /** Records the clients of sessions and, with `trimmed`, removes the oldest. Needs `browsers`. */
  clients: 'none' | 'noted' | 'trimmed'
}>

const columns =
  'id, model, grant_key, uid, user_code, account_id, client_id, session_uid, issued_at, payload, expires_at, generation'
const rowTypes = 'int4 bytea int2 bytea bytea bytea text text bytea int8 bytea int8 int4'

/** Gives the placeholders of one array for each type, with consecutive numbers. */
function createPlaceholders() {
  let last = 0
  const scalar = (type: string): string => {
    last += 1
    return `$${last}::${type}`
  }
  const arrays = (types: string): string =>
    types
      .split(' ')
      .map((type) => scalar(`${type}[]`))
      .join(', ')
  return { scalar, arrays }
}

// A rewritten row keeps its first issue time. When the writes name different sessions, the row ends
// with none of them.
const insert = (arrays: string, where: string) => `
    INSERT INTO artifact AS a (${columns})
    SELECT ${columns} FROM unnest(${arrays}) AS v(r, ${columns}) ${where}
    ON CONFLICT (id) DO UPDATE SET
      grant_key = excluded.grant_key, uid = excluded.uid, user_code = excluded.user_code, account_id = excluded.account_id,
      client_id = excluded.client_id, payload = excluded.payload, expires_at = excluded.expires_at,
      generation = excluded.generation, issued_at = least(a.issued_at, excluded.issued_at),
      session_uid = CASE WHEN a.session_uid = excluded.session_uid THEN a.session_uid END`

const conditionCte = (arrays: string, more: string) => `condition AS MATERIALIZED (
    SELECT r, kind, key, successor${more} FROM unnest(${arrays}) AS c(r, kind, key, successor${more})
  )`

const spentCtes = (now: string) => `spent AS (
    UPDATE artifact a SET consumed_at = ${now}, successor = c.successor
    FROM condition c WHERE c.kind = ${kinds.spend} AND a.id = c.key AND a.consumed_at IS NULL
      AND ${lives('a')} RETURNING c.r
  ), alive AS MATERIALIZED (
    SELECT c.r FROM condition c JOIN artifact a ON a.id = c.key
    WHERE c.kind = ${kinds.alive} AND a.consumed_at IS NULL AND ${lives('a')} FOR KEY SHARE OF a
  )`

// The account is locked first, as in its reset, to avoid deadlocks. FOR SHARE allows concurrent
// requests of one account. Each part runs only where the previous one was met.
const sessionCtes = `current AS MATERIALIZED (
    SELECT c.r FROM condition c JOIN account a ON a.id = c.account_id::uuid AND a.generation = c.generation
    WHERE c.kind = ${kinds.browser} AND c.account_id IS NOT NULL FOR SHARE OF a
  ), admitted AS MATERIALIZED (
    SELECT c.r, c.key, c.row_id, c.outcome, c.answer, c.successor FROM condition c
    WHERE c.kind = ${kinds.browser} AND (c.account_id IS NULL OR c.r IN (SELECT r FROM current))
  ), held AS MATERIALIZED (
    SELECT c.r FROM admitted c JOIN artifact a ON a.id = c.row_id AND a.uid = c.key AND ${lives('a')}
      FOR UPDATE OF a
  ), settled AS MATERIALIZED (
    SELECT c.r, c.outcome, c.answer, c.successor FROM admitted c WHERE c.key IS NULL OR c.r IN (SELECT r FROM held)
  )`
const outcomesAlone = `settled AS MATERIALIZED (
    SELECT c.r, c.outcome, c.answer, c.successor FROM condition c WHERE c.kind = ${kinds.browser}
  )`

const decidedCte = (now: string) => `decided AS (
    -- No answer: the request resumes the interaction. An older version stored no row for it.
    INSERT INTO interaction_outcome AS o (interaction, answer, answered_at, resumed_at, sealed_response, expires_at)
    SELECT c.outcome, coalesce(c.answer, sha256('')), ${now}, CASE WHEN c.answer IS NULL THEN ${now} END, c.successor, ${now} + 7200000
    FROM settled c WHERE c.outcome IS NOT NULL
    ON CONFLICT (interaction) DO UPDATE SET resumed_at = coalesce(o.resumed_at, excluded.resumed_at),
      sealed_response = coalesce(o.sealed_response, excluded.sealed_response)
    WHERE CASE WHEN excluded.resumed_at IS NOT NULL THEN o.resumed_at IS NULL
      ELSE o.answer = excluded.answer AND o.answered_at >= excluded.answered_at - ${repeatableMs} END
    RETURNING o.interaction
  )`

const clientCtes = (arrays: string, now: string) => `client AS MATERIALIZED (
    SELECT n.session_key, n.client_id, n.grant_key FROM unnest(${arrays}) AS n(r, session_key, client_id, grant_key)
    WHERE n.r IN (SELECT r FROM met)
  ), noted AS (
    INSERT INTO session_client (session_key, client_id, grant_key, noted_at)
    SELECT session_key, client_id, grant_key, ${now} FROM client
    ON CONFLICT (session_key, client_id, grant_key) DO NOTHING
  )`

// The newest row of each client is kept longest, so that a busy client does not displace the
// others.
const forgottenCte = `forgotten AS (
    DELETE FROM session_client s USING (
      SELECT l.session_key, l.client_id, l.grant_key FROM (SELECT DISTINCT session_key FROM client WHERE EXISTS (
        SELECT FROM session_client f WHERE f.session_key = client.session_key OFFSET ${maxSessionClients - 1})) AS own
      CROSS JOIN LATERAL (
        SELECT * FROM (
          SELECT o.*, row_number() OVER (PARTITION BY o.client_id ORDER BY o.noted_at DESC, o.grant_key) AS age
          FROM session_client o WHERE o.session_key = own.session_key) AS ranked
        ORDER BY age, noted_at DESC OFFSET ${maxSessionClients - 1}) AS l) AS old
    WHERE s.session_key = old.session_key AND s.client_id = old.client_id AND s.grant_key = old.grant_key
  )`

const endedCtes = (
  keys: string,
) => `ended AS MATERIALIZED (SELECT uid FROM unnest(${keys}) AS e(uid)), ended_session AS (
    DELETE FROM artifact a USING ended WHERE a.uid = ended.uid
  ), ended_clients AS (
    DELETE FROM session_client s USING ended WHERE s.session_key = ended.uid
  )`

function writeText({ isSpending, browsers, isDestroying, isEndingSessions, clients }: Parts): string {
  const { scalar, arrays } = createPlaceholders()
  const rows = arrays(rowTypes)
  const isConditional = isSpending || browsers !== 'none'
  const ifMet = (alias: string) =>
    `(${alias}.r = ${always}${isConditional ? ` OR ${alias}.r IN (SELECT r FROM met)` : ''})`
  const ctes: string[] = []
  const met: string[] = []
  const answers: string[] = []
  let now = ''
  if (isConditional) {
    now = scalar('int8')
    const isOfBrowsers = browsers !== 'none'
    const types = `int4 int2 bytea bytea${isOfBrowsers ? ' bytea text int4 bytea bytea' : ''}`
    ctes.push(conditionCte(arrays(types), isOfBrowsers ? ', row_id, account_id, generation, outcome, answer' : ''))
    answers.push('SELECT r, 1::int2 FROM met')
  }
  if (isSpending) {
    ctes.push(spentCtes(now))
    met.push('SELECT r FROM spent', 'SELECT r FROM alive')
  }
  if (browsers !== 'none') {
    ctes.push(browsers === 'sessions' ? sessionCtes : outcomesAlone, decidedCte(now))
    met.push(
      'SELECT r FROM settled WHERE outcome IS NULL',
      'SELECT r FROM settled WHERE outcome IN (SELECT interaction FROM decided)',
    )
    answers.push(
      'SELECT r, 3::int2 FROM settled WHERE outcome IS NOT NULL AND outcome NOT IN (SELECT interaction FROM decided)',
    )
  }
  if (browsers === 'sessions') {
    answers.push('SELECT r, 2::int2 FROM admitted WHERE r NOT IN (SELECT r FROM settled)')
  }
  if (isConditional) ctes.push(`met AS MATERIALIZED (${met.join(' UNION ALL ')})`)
  if (isDestroying) {
    ctes.push(`destroyed AS (
    DELETE FROM artifact a USING unnest(${arrays('int4 bytea')}) AS d(r, id) WHERE a.id = d.id AND ${ifMet('d')})`)
  }
  if (isEndingSessions) ctes.push(endedCtes(arrays('bytea')))
  if (clients !== 'none') ctes.push(clientCtes(arrays('int4 bytea text bytea'), now))
  if (clients === 'trimmed') ctes.push(forgottenCte)
  if (!isConditional) return `${ctes.length > 0 ? `WITH ${ctes.join(', ')}` : ''}${insert(rows, '')}`
  ctes.push(`written AS (${insert(rows, `WHERE ${ifMet('v')}`)})`)
  return `WITH ${ctes.join(', ')} ${answers.join(' UNION ALL ')}`
}

const statements = new Map<string, Statement>()

/** The statement with these parts. */
export function writeStatement(parts: Parts): Statement {
  const { isSpending, browsers, isDestroying, isEndingSessions, clients } = parts
  const flags = [isSpending, isDestroying, isEndingSessions].map(Number).join('')
  const name = `artifact_write_${flags}_${browsers}_${clients}`
  const known = statements.get(name)
  if (known) return known
  const statement = { name, text: writeText(parts) }
  statements.set(name, statement)
  return statement
}

// Claims a one-time proof: the row is stored without payload before the engine knows the result.
// An unsaved claim or an expired row may be claimed again.
export const claimProof: Statement = {
  name: 'artifact_claim',
  text: `
    INSERT INTO artifact AS a (id, model, issued_at, payload, expires_at) VALUES ($1, $2, $3::int8, $4, $5::int8)
    ON CONFLICT (id) DO UPDATE SET issued_at = excluded.issued_at, payload = excluded.payload, expires_at = excluded.expires_at
    WHERE a.expires_at <= $3::int8 OR (a.payload = '' AND excluded.payload <> '') RETURNING 1`,
}

// Only if the row is unchanged since it was read: a concurrent use has given it another expiry.
export const expireRow: Statement = {
  name: 'artifact_expire',
  text: `
    UPDATE artifact SET expires_at = $3::int8
    WHERE id = $1 AND expires_at IS NOT DISTINCT FROM $2::int8 AND (expires_at IS NULL OR expires_at > $3::int8)`,
}

export const takeRow: Statement = {
  name: 'artifact_take',
  text: 'DELETE FROM artifact WHERE id = $1 RETURNING payload, expires_at',
}
