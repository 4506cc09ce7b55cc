/**
 * Reads artifacts from Postgres: many ids in one statement, each with the rows that the engine
 * needs next.
 */
import type { Models, StoredArtifact } from '../model.ts'
import { createBatches } from './batches.ts'
import { bytesArray, intArray } from './binary-array.ts'
import type { Cell, Postgres, Statement } from './connection.ts'
import { latestEnds, lives } from './ended.ts'

const columns = 'a.id, a.payload, a.grant_key, a.consumed_at, a.successor, a.expires_at, a.generation'

// Ended rows are not found, even before they are removed.
const byId: Statement = {
  name: 'artifact_by_id',
  text: `
    SELECT k.n, ${columns}, CASE WHEN e.of_grant IS NULL OR e.of_grant < g.issued_at THEN g.payload END, g.expires_at,
      a.session_uid, s.id, s.payload, s.expires_at, s.generation
    FROM unnest($1::bytea[]) WITH ORDINALITY AS k(id, n)
    JOIN artifact a ON a.id = k.id
    LEFT JOIN artifact g ON g.id = a.grant_key
    CROSS JOIN ${latestEnds('a', 'g')} e
    LEFT JOIN LATERAL (
      SELECT id, payload, expires_at, generation FROM artifact own WHERE uid = a.session_uid AND a.model = $2::int2
        AND ${lives('own')}
      ORDER BY expires_at DESC NULLS FIRST LIMIT 1) s ON true
    WHERE e.own IS NULL OR e.own < a.issued_at`,
}

// An id change during a request may leave two rows of one session for a moment: the one with the
// latest expiry is used.
const byUid: Statement = {
  name: 'artifact_by_uid',
  text: `
    SELECT k.n, a.* FROM unnest($1::bytea[]) WITH ORDINALITY AS k(uid, n)
    CROSS JOIN LATERAL (
      SELECT ${columns} FROM artifact a WHERE a.uid = k.uid AND ${lives('a')}
      ORDER BY a.expires_at DESC NULLS FIRST LIMIT 1) a`,
}

const byUserCode: Statement = {
  name: 'artifact_by_user_code',
  text: `SELECT 1, ${columns} FROM artifact a WHERE a.user_code = $1 AND ${lives('a')} LIMIT 1`,
}

const endedAt: Statement = {
  name: 'artifact_ended_at',
  text: `
    SELECT k.n, max(e.ended_at)
    FROM unnest($1::int4[], $2::bytea[]) AS k(n, key) JOIN artifact_end e ON e.key = k.key
    GROUP BY k.n`,
}

// A grant has ended when its row is missing, ended or expired. A missing end moment proves nothing.
const standing: Statement = {
  name: 'artifact_standing',
  text: `
    SELECT k.n, max(e.ended_at), false
    FROM unnest($1::int4[], $2::bytea[]) AS k(n, key) JOIN artifact_end e ON e.key = k.key
    GROUP BY k.n
    UNION ALL
    SELECT g.n, 0, true
    FROM unnest($3::int4[], $4::bytea[]) AS g(n, id) JOIN artifact a ON a.id = g.id
    WHERE (a.expires_at IS NULL OR a.expires_at > $5::int8) AND ${lives('a')}`,
}

const batchSize = 64
const batchesInFlight = 2

/** The keys of the ends that apply to a token, and the id of its grant's row, if it has one. */
export type TokenEnds = { ends: readonly Buffer[]; grantKey: Buffer | undefined }
export type GrantStatus = { endedAt: number | undefined; hasGrant: boolean }

export type FoundArtifact = {
  artifact: StoredArtifact
  /** The grant that it belongs to. */
  grant?: StoredArtifact
  /**
   * For an interaction: the browser session in which it began, by the digest of its uid; absent
   * when that has ended.
   */
  session?: { key: Buffer; stored: StoredArtifact }
}

const bytes = (cell: Cell | undefined): Buffer | undefined => (Buffer.isBuffer(cell) ? cell : undefined)
const milliseconds = (cell: Cell | undefined): number | undefined =>
  cell === null || cell === undefined ? undefined : Number(cell)

function toStored(row: readonly Cell[]): StoredArtifact {
  const [, id, sealed, grantKey, consumedAt, successor, expiresAt, generation] = row
  return {
    id: id as Buffer,
    content: { sealed: sealed as Buffer },
    grantKey: bytes(grantKey),
    consumedAt: milliseconds(consumedAt),
    successor: bytes(successor),
    expiresAt: milliseconds(expiresAt),
    generation: Number(generation),
  }
}

export type Reads = ReturnType<typeof createReads>

/** A row from the same read: its id, payload and expiry. */
function readAlong(
  id: Cell | undefined,
  sealed: Cell | undefined,
  expiresAt: Cell | undefined,
): StoredArtifact | undefined {
  if (!Buffer.isBuffer(id) || !Buffer.isBuffer(sealed)) return undefined
  return { id, content: { sealed }, expiresAt: milliseconds(expiresAt) }
}

export function createReads({ postgres, models, now }: { postgres: Postgres; models: Models; now: () => number }) {
  const find = createBatches<Buffer, FoundArtifact | undefined>({
    size: batchSize,
    inFlight: batchesInFlight,
    async run(ids) {
      const found = new Array<FoundArtifact | undefined>(ids.length)
      for (const row of await postgres.query(byId, [bytesArray(ids), models.Interaction.number])) {
        const artifact = toStored(row)
        const session = readAlong(row[11], row[12], row[13])
        found[Number(row[0]) - 1] = {
          artifact,
          grant: readAlong(artifact.grantKey, row[8], row[9]),
          session: session && { key: row[10] as Buffer, stored: { ...session, generation: Number(row[14]) } },
        }
      }
      return found
    },
  })

  const findEnd = createBatches<readonly Buffer[], number | undefined>({
    size: batchSize,
    inFlight: batchesInFlight,
    async run(asked) {
      const numbers = asked.flatMap((keys, index) => keys.map(() => index))
      const ended = new Array<number | undefined>(asked.length)
      const rows = await postgres.query(endedAt, [intArray('int4', numbers), bytesArray(asked.flat())])
      for (const [index, at] of rows) ended[Number(index)] = Number(at)
      return ended
    },
  })

  const findGrantStatus = createBatches<TokenEnds, GrantStatus>({
    size: batchSize,
    inFlight: batchesInFlight,
    async run(asked) {
      const found = asked.map((): GrantStatus => ({ endedAt: undefined, hasGrant: false }))
      const numbers = asked.flatMap(({ ends }, index) => ends.map(() => index))
      const grants = asked.flatMap(({ grantKey }, index) => (grantKey ? [{ index, grantKey }] : []))
      const rows = await postgres.query(standing, [
        intArray('int4', numbers),
        bytesArray(asked.flatMap(({ ends }) => ends)),
        intArray(
          'int4',
          grants.map(({ index }) => index),
        ),
        bytesArray(grants.map((grant) => grant.grantKey)),
        now(),
      ])
      for (const [index, endedAt, isGrant] of rows) {
        const status = found[Number(index)] as GrantStatus
        if (isGrant === true || isGrant === 't') status.hasGrant = true
        else status.endedAt = Number(endedAt)
      }
      return found
    },
  })

  const findByUid = createBatches<Buffer, StoredArtifact | undefined>({
    size: batchSize,
    inFlight: batchesInFlight,
    async run(uids) {
      const found = new Array<StoredArtifact | undefined>(uids.length)
      for (const row of await postgres.query(byUid, [bytesArray(uids)])) found[Number(row[0]) - 1] = toStored(row)
      return found
    },
  })

  return {
    /** The row `id`, and the row of its grant. */
    find,
    /** The session whose uid has this digest. */
    findByUid,
    async findByUserCode(userCode: Buffer): Promise<StoredArtifact | undefined> {
      const [row] = await postgres.query(byUserCode, [userCode])
      return row && toStored(row)
    },
    /** The latest end among `keys` (milliseconds), if there is one. */
    findEnd,
    /** The latest end that applies to a token (milliseconds), and whether its grant exists. */
    findGrantStatus,
  }
}
