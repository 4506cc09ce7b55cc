/** The group writer: the writes of many requests in one statement, each request's rows on its own condition. */

import { mapKey } from '../digest.ts'
import type { Models, Upsert } from '../model.ts'
import type { Seal } from '../seal.ts'
import { createBatches } from './batches.ts'
import { bytesArray, intArray, textArray } from './binary-array.ts'
import type { Cell, Postgres, Statement } from './connection.ts'

/**
 * What must be true for a request's rows to be written, decided under a row lock in the same statement:
 * `spend` this row was unspent, and is spent now; `alive` this row exists and is unspent; `session` the browser session exists.
 */
export type Condition =
  | { kind: 'spend'; key: Buffer; successor?: Buffer }
  | { kind: 'alive'; key: Buffer }
  | { kind: 'session'; key: Buffer }

export type Write = {
  condition?: Condition
  upserts: readonly Upsert[]
  /** Written whatever becomes of the condition. */
  unconditional: readonly Upsert[]
  destroys: readonly Buffer[]
  /** Every row of these browser sessions goes. */
  destroyedSessions: readonly Buffer[]
}

const kinds = { spend: 1, alive: 2, session: 3 } as const
const always = -1
const batchSize = 64
const batchesInFlight = 2

const columns =
  'id, model, grant_key, uid, user_code, account_id, client_id, session_uid, issued_at, payload, expires_at'

// A row that is written again: it was never issued later than first, and it ends with a session only while everybody agrees which.
const insert = (arrays: string, where: string) => `
  INSERT INTO artifact AS a (${columns})
  SELECT ${columns} FROM unnest(${arrays}) AS v(r, ${columns}) ${where}
  ON CONFLICT (id) DO UPDATE SET
    grant_key = excluded.grant_key, uid = excluded.uid, user_code = excluded.user_code, account_id = excluded.account_id,
    client_id = excluded.client_id, payload = excluded.payload, expires_at = excluded.expires_at,
    issued_at = least(a.issued_at, excluded.issued_at),
    session_uid = CASE WHEN a.session_uid = excluded.session_uid THEN a.session_uid END`

const types = 'int4 bytea int2 bytea bytea bytea text text bytea int8 bytea int8'.split(' ')
const arraysFrom = (first: number) => types.map((type, index) => `$${first + index}::${type}[]`).join(', ')

const plainWrite: Statement = { name: 'artifact_write_plain', text: insert(arraysFrom(1), '') }

const conditionalWrite: Statement = {
  name: 'artifact_write_conditional',
  text: `
  WITH condition AS MATERIALIZED (
    SELECT r, kind, key, successor FROM unnest($13::int4[], $14::int2[], $15::bytea[], $16::bytea[]) AS c(r, kind, key, successor)
  ), spent AS (
    UPDATE artifact a SET consumed_at = $17::int8, successor = c.successor
    FROM condition c WHERE c.kind = ${kinds.spend} AND a.id = c.key AND a.consumed_at IS NULL RETURNING c.r
  ), alive AS MATERIALIZED (
    SELECT c.r FROM condition c JOIN artifact a ON a.id = c.key
    WHERE c.kind = ${kinds.alive} AND a.consumed_at IS NULL FOR KEY SHARE OF a
  ), session AS MATERIALIZED (
    SELECT c.r FROM condition c JOIN artifact a ON a.uid = c.key WHERE c.kind = ${kinds.session} FOR KEY SHARE OF a
  ), met AS MATERIALIZED (
    SELECT r FROM spent UNION ALL SELECT r FROM alive UNION ALL SELECT r FROM session
  ), destroyed AS (
    DELETE FROM artifact a USING unnest($18::bytea[]) AS d(id) WHERE a.id = d.id
  ), destroyed_session AS (
    DELETE FROM artifact a USING unnest($19::bytea[]) AS d(uid) WHERE a.uid = d.uid
  ), written AS (
    ${insert(arraysFrom(1), `WHERE v.r = ${always} OR v.r IN (SELECT r FROM met)`)}
  )
  SELECT r FROM met`,
}

// Claims a one-time proof: the row is there, without a payload, before the engine knows that nobody else had it. A claim that was not
// saved and a row that has expired may be taken over.
const claimProof: Statement = {
  name: 'artifact_claim',
  text: `
    INSERT INTO artifact AS a (id, model, issued_at, payload, expires_at) VALUES ($1, $2, $3::int8, $4, $5::int8)
    ON CONFLICT (id) DO UPDATE SET issued_at = excluded.issued_at, payload = excluded.payload, expires_at = excluded.expires_at
    WHERE a.expires_at <= $3::int8 OR (a.payload = '' AND excluded.payload <> '') RETURNING 1`,
}

const sweepExpired: Statement = {
  name: 'artifact_sweep',
  text: `
    WITH swept AS (
      DELETE FROM artifact WHERE id IN (
        SELECT id FROM artifact WHERE expires_at <= $1::int8 ORDER BY expires_at LIMIT $2::int4 FOR UPDATE SKIP LOCKED)
      RETURNING 1
    ), swept_end AS (
      DELETE FROM artifact_end WHERE key IN (
        SELECT key FROM artifact_end WHERE expires_at <= $1::int8 ORDER BY expires_at LIMIT $2::int4 FOR UPDATE SKIP LOCKED)
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM swept) + (SELECT count(*) FROM swept_end)`,
}

const takeRow: Statement = {
  name: 'artifact_take',
  text: 'DELETE FROM artifact WHERE id = $1 RETURNING payload, expires_at',
}

type Deps = { postgres: Postgres; seal: Seal; models: Models; now: () => number }
type Numbered = Upsert & { r: number }

export type Writes = ReturnType<typeof createWrites>

export function createWrites({ postgres, seal, models, now }: Deps) {
  const rowArrays = (rows: readonly Numbered[]): Buffer[] => [
    intArray(
      'int4',
      rows.map((row) => row.r),
    ),
    bytesArray(rows.map((row) => row.id)),
    intArray(
      'int2',
      rows.map((row) => models[row.model].number),
    ),
    bytesArray(rows.map((row) => row.grantKey)),
    bytesArray(rows.map((row) => row.uid)),
    bytesArray(rows.map((row) => row.userCode)),
    textArray(rows.map((row) => row.accountId)),
    textArray(rows.map((row) => row.clientId)),
    bytesArray(rows.map((row) => row.sessionUid)),
    intArray(
      'int8',
      rows.map((row) => row.issuedAt),
    ),
    bytesArray(rows.map((row) => seal.seal(row.text, row.id))),
    intArray(
      'int8',
      rows.map((row) => row.expiresAt),
    ),
  ]

  async function run(writes: readonly Write[]): Promise<boolean[]> {
    const rows: Numbered[] = []
    const conditions: (Condition & { r: number; successor?: Buffer })[] = []
    writes.forEach(({ condition, upserts, unconditional }, index) => {
      if (condition) conditions.push({ ...condition, r: index })
      for (const upsert of upserts) rows.push({ ...upsert, r: condition ? index : always })
      for (const upsert of unconditional) rows.push({ ...upsert, r: always })
    })
    const destroys = writes.flatMap((write) => write.destroys)
    const destroyedSessions = writes.flatMap((write) => write.destroyedSessions)

    if (conditions.length + destroys.length + destroyedSessions.length === 0) {
      await postgres.query(plainWrite, rowArrays(rows))
      return writes.map(() => true)
    }
    const met = await postgres.query(conditionalWrite, [
      ...rowArrays(rows),
      intArray(
        'int4',
        conditions.map(({ r }) => r),
      ),
      intArray(
        'int2',
        conditions.map(({ kind }) => kinds[kind]),
      ),
      bytesArray(conditions.map(({ key }) => key)),
      bytesArray(conditions.map(({ successor }) => successor)),
      now(),
      bytesArray(destroys),
      bytesArray(destroyedSessions),
    ])
    const isMet = new Set<Cell | undefined>(met.map(([r]) => Number(r)))
    return writes.map(({ condition }, index) => condition === undefined || isMet.has(index))
  }

  const write = createBatches<Write, boolean>({
    size: batchSize,
    inFlight: batchesInFlight,
    run,
    // One statement cannot change a row twice, and two statements that change two rows crosswise would block each other.
    touches: ({ condition, upserts, unconditional, destroys, destroyedSessions }) => [
      ...(condition ? [mapKey(condition.key)] : []),
      ...upserts.map(({ id }) => mapKey(id)),
      ...unconditional.map(({ id }) => mapKey(id)),
      ...destroys.map(mapKey),
      ...destroyedSessions.map(mapKey),
    ],
  })

  return {
    /** Writes everything, or, when its condition is not met, only what is unconditional and the destroys: gives whether it was met. */
    write,

    /** Whether nobody else has this proof: `text` empty to claim it until `expiresAt`, else to save it. One conditional write. */
    async claim(proof: Pick<Upsert, 'id' | 'model' | 'text' | 'expiresAt'>): Promise<boolean> {
      const payload = proof.text === '' ? Buffer.alloc(0) : seal.seal(proof.text, proof.id)
      const rows = await postgres.query(claimProof, [
        proof.id,
        models[proof.model].number,
        now(),
        payload,
        proof.expiresAt,
      ])
      return rows.length > 0
    },

    /** Takes a row away and gives what it held: nobody gets it twice. */
    async take(id: Buffer): Promise<{ sealed: Buffer; expiresAt: number } | undefined> {
      const [row] = await postgres.query(takeRow, [id])
      return row && { sealed: row[0] as Buffer, expiresAt: Number(row[1]) }
    },

    /** Removes at most `limit` expired rows (and as many end-moments); gives how many. */
    async sweep(limit: number): Promise<number> {
      const [row] = await postgres.query(sweepExpired, [now(), limit])
      return Number(row?.[0] ?? 0)
    },
  }
}
