/** The statements of the group writer. Each takes the rows, conditions and deletions of many requests as arrays. */
import type { Statement } from './connection.ts'

/** How a condition is numbered, and the number of a row that is written whatever becomes of its request's condition. */
export const kinds = { spend: 1, alive: 2, browser: 3 } as const
export const always = -1
const mostSessionClients = 1000

const columns =
  'id, model, grant_key, uid, user_code, account_id, client_id, session_uid, issued_at, payload, expires_at, generation'

// A row that is written again: it was never issued later than first, and it ends with a session only while everybody agrees which.
const insert = (arrays: string, where: string) => `
  INSERT INTO artifact AS a (${columns})
  SELECT ${columns} FROM unnest(${arrays}) AS v(r, ${columns}) ${where}
  ON CONFLICT (id) DO UPDATE SET
    grant_key = excluded.grant_key, uid = excluded.uid, user_code = excluded.user_code, account_id = excluded.account_id,
    client_id = excluded.client_id, payload = excluded.payload, expires_at = excluded.expires_at,
    generation = excluded.generation, issued_at = least(a.issued_at, excluded.issued_at),
    session_uid = CASE WHEN a.session_uid = excluded.session_uid THEN a.session_uid END`

const types = 'int4 bytea int2 bytea bytea bytea text text bytea int8 bytea int8 int4'.split(' ')
const arraysFrom = (first: number) => types.map((type, index) => `$${first + index}::${type}[]`).join(', ')

export const plainWrite: Statement = { name: 'artifact_write_plain', text: insert(arraysFrom(1), '') }

const conditionColumns = 'r, kind, key, successor'
const spentCtes = `
  spent AS (
    UPDATE artifact a SET consumed_at = $14::int8, successor = c.successor
    FROM condition c WHERE c.kind = ${kinds.spend} AND a.id = c.key AND a.consumed_at IS NULL RETURNING c.r
  ), alive AS MATERIALIZED (
    SELECT c.r FROM condition c JOIN artifact a ON a.id = c.key
    WHERE c.kind = ${kinds.alive} AND a.consumed_at IS NULL FOR KEY SHARE OF a
  )`
const writtenCtes = `
  destroyed AS (
    DELETE FROM artifact a USING unnest($19::int4[], $20::bytea[]) AS d(r, id)
    WHERE a.id = d.id AND (d.r = ${always} OR d.r IN (SELECT r FROM met))
  ), destroyed_session AS (
    DELETE FROM artifact a USING unnest($21::bytea[]) AS d(uid) WHERE a.uid = d.uid
  ), destroyed_clients AS (
    DELETE FROM session_client s USING unnest($21::bytea[]) AS d(uid) WHERE s.session_key = d.uid
  ), written AS (
    ${insert(arraysFrom(1), `WHERE v.r = ${always} OR v.r IN (SELECT r FROM met)`)}
  )`

export const conditionalWrite: Statement = {
  name: 'artifact_write_conditional',
  text: `
  WITH condition AS MATERIALIZED (
    SELECT ${conditionColumns} FROM unnest($15::int4[], $16::int2[], $17::bytea[], $18::bytea[]) AS c(${conditionColumns})
  ), ${spentCtes}, met AS MATERIALIZED (SELECT r FROM spent UNION ALL SELECT r FROM alive), ${writtenCtes}
  SELECT r, 1::int2 FROM met`,
}

/** A double click, and a lost answer that the browser asks for again (milliseconds). */
export const repeatableMs = 30_000

const clientCtes = `
  client AS MATERIALIZED (
    SELECT n.session_key, n.client_id, n.grant_key
    FROM unnest($28::int4[], $29::bytea[], $30::text[], $31::bytea[]) AS n(r, session_key, client_id, grant_key)
    WHERE n.r IN (SELECT r FROM met)
  ), noted AS (
    INSERT INTO session_client (session_key, client_id, grant_key, noted_at)
    SELECT session_key, client_id, grant_key, $14::int8 FROM client
    ON CONFLICT (session_key, client_id, grant_key) DO NOTHING
  ), forgotten AS (
    -- A client keeps its newest row for longest, so that a busy one does not hide the others. Ranked only when there are too many:
    -- a session that consents anew has a row for each grant.
    DELETE FROM session_client s USING (
      SELECT l.session_key, l.client_id, l.grant_key FROM (SELECT DISTINCT session_key FROM client WHERE EXISTS (
        SELECT FROM session_client f WHERE f.session_key = client.session_key OFFSET ${mostSessionClients - 1})) AS own
      CROSS JOIN LATERAL (
        SELECT * FROM (
          SELECT o.*, row_number() OVER (PARTITION BY o.client_id ORDER BY o.noted_at DESC, o.grant_key) AS age
          FROM session_client o WHERE o.session_key = own.session_key) AS ranked
        ORDER BY age, noted_at DESC OFFSET ${mostSessionClients - 1}) AS l) AS old
    WHERE s.session_key = old.session_key AND s.client_id = old.client_id AND s.grant_key = old.grant_key
  )`

type Parts = Readonly<{ hasSpent: boolean; hasClients: boolean }>

// The account is locked first, as a reset of it does, so that both wait in the same order. FOR SHARE lets one person's requests go
// side by side. Each part is looked at only where the one before was met: an outcome is not resumed by a request that writes nothing.
const browserText = ({ hasSpent, hasClients }: Parts) => `
  WITH condition AS MATERIALIZED (
    SELECT ${conditionColumns}, row_id, is_exclusive, account_id, generation, outcome, answer
    FROM unnest($15::int4[], $16::int2[], $17::bytea[], $18::bytea[], $22::bytea[], $23::int2[], $24::text[], $25::int4[], $26::bytea[],
      $27::bytea[]) AS c(${conditionColumns}, row_id, is_exclusive, account_id, generation, outcome, answer)
  ), ${hasSpent ? `${spentCtes}, ` : ''}current AS MATERIALIZED (
    SELECT c.r FROM condition c JOIN account a ON a.id = c.account_id::uuid AND a.generation = c.generation
    WHERE c.kind = ${kinds.browser} AND c.account_id IS NOT NULL FOR SHARE OF a
  ), admitted AS MATERIALIZED (
    SELECT c.r, c.key, c.row_id, c.is_exclusive, c.outcome, c.answer, c.successor FROM condition c
    WHERE c.kind = ${kinds.browser} AND (c.account_id IS NULL OR c.r IN (SELECT r FROM current))
  ), shared AS MATERIALIZED (
    SELECT c.r FROM admitted c JOIN artifact a ON a.uid = c.key AND (c.row_id IS NULL OR a.id = c.row_id)
    WHERE c.is_exclusive = 0 FOR KEY SHARE OF a
  ), exclusive AS MATERIALIZED (
    SELECT c.r FROM admitted c JOIN artifact a ON a.id = c.row_id AND a.uid = c.key
    WHERE c.is_exclusive = 1 FOR UPDATE OF a
  ), settled AS MATERIALIZED (
    SELECT c.r, c.outcome, c.answer, c.successor FROM admitted c
    WHERE c.key IS NULL OR c.r IN (SELECT r FROM shared UNION ALL SELECT r FROM exclusive)
  ), decided AS (
    -- Without an answer the interaction is resumed; one that the program before outcomes has answered has no row yet.
    INSERT INTO interaction_outcome AS o (interaction, answer, answered_at, resumed_at, sealed_response, expires_at)
    SELECT c.outcome, coalesce(c.answer, sha256('')), $14::int8, CASE WHEN c.answer IS NULL THEN $14::int8 END, c.successor,
      $14::int8 + 7200000
    FROM settled c WHERE c.outcome IS NOT NULL
    ON CONFLICT (interaction) DO UPDATE SET resumed_at = coalesce(o.resumed_at, excluded.resumed_at),
      sealed_response = coalesce(o.sealed_response, excluded.sealed_response)
    WHERE CASE WHEN excluded.resumed_at IS NOT NULL THEN o.resumed_at IS NULL
      ELSE o.answer = excluded.answer AND o.answered_at >= excluded.answered_at - ${repeatableMs} END
    RETURNING o.interaction
  ), met AS MATERIALIZED (
    ${hasSpent ? 'SELECT r FROM spent UNION ALL SELECT r FROM alive UNION ALL ' : ''}SELECT r FROM settled WHERE outcome IS NULL
    UNION ALL SELECT r FROM settled WHERE outcome IN (SELECT interaction FROM decided)
  ), ${writtenCtes}${hasClients ? `, ${clientCtes}` : ''}
  SELECT r, 1::int2 FROM met
  UNION ALL SELECT r, 2::int2 FROM admitted WHERE r NOT IN (SELECT r FROM settled)
  UNION ALL SELECT r, 3::int2 FROM settled WHERE outcome IS NOT NULL AND outcome NOT IN (SELECT interaction FROM decided)`

const browserStatements = new Map<string, Statement>(
  [false, true].flatMap((hasSpent) =>
    [false, true].map((hasClients): [string, Statement] => {
      const name = `artifact_write_browser${hasSpent ? '_spent' : ''}${hasClients ? '_clients' : ''}`
      return [`${hasSpent} ${hasClients}`, { name, text: browserText({ hasSpent, hasClients }) }]
    }),
  ),
)

/** The statement with what the batch needs, and nothing that it does not. */
export const browserWrite = ({ hasSpent, hasClients }: Parts): Statement =>
  browserStatements.get(`${hasSpent} ${hasClients}`) as Statement

// Claims a one-time proof: the row is there, without a payload, before the engine knows that nobody else had it. A claim that was not
// saved and a row that has expired may be taken over.
export const claimProof: Statement = {
  name: 'artifact_claim',
  text: `
    INSERT INTO artifact AS a (id, model, issued_at, payload, expires_at) VALUES ($1, $2, $3::int8, $4, $5::int8)
    ON CONFLICT (id) DO UPDATE SET issued_at = excluded.issued_at, payload = excluded.payload, expires_at = excluded.expires_at
    WHERE a.expires_at <= $3::int8 OR (a.payload = '' AND excluded.payload <> '') RETURNING 1`,
}

export const takeRow: Statement = {
  name: 'artifact_take',
  text: 'DELETE FROM artifact WHERE id = $1 RETURNING payload, expires_at',
}
