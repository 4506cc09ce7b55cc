/** Spent refresh tokens after their grace window: only the data that detects a reuse is kept. */
import type { Models, Payload } from './model.ts'
import { bytesArray } from './postgres/binary-array.ts'
import type { Postgres, Statement } from './postgres/connection.ts'
import type { Seal } from './seal.ts'

type Deps = {
  postgres: Postgres
  models: Models
  seal: Seal
  /**
   * The grace window of a token spent until this time (milliseconds) is over and cannot open again.
   */
  graceWindowsClosedUntil: () => Promise<number>
}

// An index on consumed_at would prevent HOT updates at each refresh. So each run reads some pages
// of the table: all pages in an hour, at most 64 MB a run, and a small table at once.
const runsForAll = 60
const minPages = 256
const maxPages = 8192
const pageBatchSize = 128
/** More rows than a page has (291), so that a full batch spans more than one page. */
const rowBatchSize = 300

const pages: Statement = {
  name: 'spent_pages',
  text: `
    SELECT pg_relation_size('artifact') / current_setting('block_size')::int8, next_page FROM spent_sweep`,
}

const spent: Statement = {
  name: 'spent_list',
  text: `
    SELECT id, payload, (ctid::text::point)[0]::int8 FROM artifact
    WHERE ctid >= $1::tid AND ctid < $2::tid AND model = $3::int2 AND consumed_at <= $4::int8 AND successor IS NOT NULL
    LIMIT $5::int4`,
}

// No index contains one of these columns, so that Postgres can make a HOT update.
const trim: Statement = {
  name: 'spent_trim',
  text: `
    UPDATE artifact a SET payload = v.payload, successor = NULL FROM unnest($1::bytea[], $2::bytea[]) AS v(id, payload)
    WHERE a.id = v.id AND a.successor IS NOT NULL AND a.consumed_at <= $3::int8
    RETURNING 1`,
}

const noteNext: Statement = { name: 'spent_next', text: 'UPDATE spent_sweep SET next_page = $1::int8' }

/**
 * The owner and family of the token, for the refusal, the audit trail and a revocation (RFC 7009
 * §2.1).
 */
const ownerFields = ({ kind, jti, clientId, accountId, grantId, exp }: Payload): Payload => ({
  kind,
  jti,
  clientId,
  accountId,
  grantId,
  exp,
})

export function createSpentTokens({ postgres, models, seal, graceWindowsClosedUntil }: Deps) {
  function trimmed(id: Buffer, sealed: Buffer): Buffer | undefined {
    const text = seal.open(sealed, id)
    return text === undefined ? undefined : seal.seal(JSON.stringify(ownerFields(JSON.parse(text) as Payload)), id)
  }

  /**
   * Trims the pages from `from` to before `end`, up to one batch. Gives how many rows, and the next
   * page.
   */
  async function trimPages(from: number, end: number, until: number): Promise<{ count: number; next: number }> {
    const limits = [`(${from},0)`, `(${end},0)`]
    const rows = await postgres.query(spent, [...limits, models.RefreshToken.number, until, rowBatchSize])
    const ids: Buffer[] = []
    const payloads: Buffer[] = []
    for (const [id, sealed] of rows as [Buffer, Buffer][]) {
      const payload = trimmed(id, sealed)
      if (!payload) continue
      ids.push(id)
      payloads.push(payload)
    }
    const next = rows.length < rowBatchSize ? end : Number(rows.at(-1)?.[2])
    if (ids.length === 0) return { count: 0, next }
    const written = await postgres.query(trim, [bytesArray(ids), bytesArray(payloads), until])
    return { count: written.length, next }
  }

  /**
   * Runs once and gives the number of trimmed rows. Only tokens after their grace window are
   * trimmed, because a repeat needs payload and successor.
   */
  return async (isStopped: () => boolean): Promise<number> => {
    const until = await graceWindowsClosedUntil()
    const [[size, nextPage] = [0, 0]] = await postgres.query(pages, [])
    const all = Number(size)
    const pagesPerRun = Math.min(all, maxPages, Math.max(minPages, Math.ceil(all / runsForAll)))
    let page = Number(nextPage) < all ? Number(nextPage) : 0
    let count = 0
    for (let seen = 0; seen < pagesPerRun && !isStopped(); ) {
      const trimmed = await trimPages(page, Math.min(page + pageBatchSize, all), until)
      count += trimmed.count
      seen += trimmed.next - page
      page = trimmed.next < all ? trimmed.next : 0
    }
    await postgres.query(noteNext, [page])
    return count
  }
}
