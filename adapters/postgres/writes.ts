/**
 * The group writer: writes the rows of many requests in one statement, each request on its own
 * condition.
 */

import { mapKey } from '../digest.ts'
import type { Models, StoredArtifact, Upsert } from '../model.ts'
import type { Seal } from '../seal.ts'
import { createBatches } from './batches.ts'
import { bytesArray, intArray, textArray } from './binary-array.ts'
import type { Cell, Postgres } from './connection.ts'
import { always, claimProof, expireRow, kinds, takeRow, trims, writeStatement } from './write-statements.ts'

/** The condition for a request's writes, decided under row locks in the same statement. */
export type Condition =
  /** The row was unspent, and is spent now. */
  | { kind: 'spend'; key: Buffer; successor?: Buffer }
  /** The row exists and is unspent. */
  | { kind: 'alive'; key: Buffer }
  | BrowserCondition

/** Every given part must be met. */
export type BrowserCondition = {
  kind: 'browser'
  /** The account has this generation. Its id is a UUID. */
  account?: Readonly<{ id: string; generation: number }>
  /**
   * The digest of the session's uid, and the id of its row, which changes when the session is
   * renamed.
   */
  session?: Readonly<{ key: Buffer; id: Buffer }>
  /**
   * `response`: the interaction is resumed. `answer`: it is decided, and the same answer may be
   * repeated for a moment.
   */
  outcome?: Readonly<{ key: Buffer; response?: Buffer; answer?: Buffer }>
}

/** A client that the session signs in to. */
export type NewSessionClient = Readonly<{ sessionKey: Buffer; clientId: string; grantKey: Buffer }>

export type Write = {
  condition?: Condition
  upserts: readonly Upsert[]
  /** Written even if the condition is not met. */
  unconditional: readonly Upsert[]
  /** With a `browser` condition: only if that is met. */
  destroys: readonly Buffer[]
  /** All rows of these browser sessions are removed. */
  destroyedSessions: readonly Buffer[]
  sessionClients?: readonly NewSessionClient[]
}

/** Which part of a `browser` condition was not met. */
export type FailedCondition = 'account' | 'session' | 'outcome'

const batchSize = 64
const batchesInFlight = 2

type Deps = { postgres: Postgres; seal: Seal; models: Models; now: () => number }
type Numbered = Upsert & { r: number }

/** `failedCondition`: the part of a `browser` condition that was not met. */
export type WriteResult = Readonly<{ isMet: boolean; failedCondition?: FailedCondition }>

const resultOf: Readonly<Record<number, WriteResult>> = {
  1: { isMet: true },
  2: { isMet: false, failedCondition: 'session' },
  3: { isMet: false, failedCondition: 'outcome' },
}

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
    intArray(
      'int4',
      rows.map((row) => row.generation ?? 0),
    ),
  ]

  const conditionArrays = (conditions: readonly (Condition & { r: number })[]): Buffer[] => [
    intArray(
      'int4',
      conditions.map(({ r }) => r),
    ),
    intArray(
      'int2',
      conditions.map(({ kind }) => kinds[kind]),
    ),
    bytesArray(conditions.map((one) => (one.kind === 'browser' ? one.session?.key : one.key))),
    bytesArray(
      conditions.map((one) => {
        if (one.kind === 'browser') return one.outcome?.response
        return one.kind === 'spend' ? one.successor : undefined
      }),
    ),
  ]

  function browserArrays(conditions: readonly Condition[]): Buffer[] {
    const browser = conditions.map((one) => (one.kind === 'browser' ? one : undefined))
    return [
      bytesArray(browser.map((one) => one?.session?.id)),
      textArray(browser.map((one) => one?.account?.id)),
      intArray(
        'int4',
        browser.map((one) => one?.account?.generation),
      ),
      bytesArray(browser.map((one) => one?.outcome?.key)),
      bytesArray(browser.map((one) => one?.outcome?.answer)),
    ]
  }

  const clientArrays = (clients: readonly (NewSessionClient & { r: number })[]): Buffer[] => [
    intArray(
      'int4',
      clients.map(({ r }) => r),
    ),
    bytesArray(clients.map(({ sessionKey }) => sessionKey)),
    textArray(clients.map(({ clientId }) => clientId)),
    bytesArray(clients.map(({ grantKey }) => grantKey)),
  ]

  const destroyArrays = (destroys: readonly { r: number; id: Buffer }[]): Buffer[] => [
    intArray(
      'int4',
      destroys.map(({ r }) => r),
    ),
    bytesArray(destroys.map(({ id }) => id)),
  ]

  async function run(writes: readonly Write[]): Promise<WriteResult[]> {
    const rows: Numbered[] = []
    const conditions: (Condition & { r: number })[] = []
    const destroys: { r: number; id: Buffer }[] = []
    const clients: (NewSessionClient & { r: number })[] = []
    writes.forEach((write, index) => {
      const { condition, upserts, unconditional, sessionClients = [] } = write
      if (condition) conditions.push({ ...condition, r: index })
      for (const upsert of upserts) rows.push({ ...upsert, r: condition ? index : always })
      for (const upsert of unconditional) rows.push({ ...upsert, r: always })
      for (const id of write.destroys) destroys.push({ r: condition?.kind === 'browser' ? index : always, id })
      if (condition?.kind === 'browser') for (const client of sessionClients) clients.push({ ...client, r: index })
    })
    const destroyedSessions = writes.flatMap((write) => write.destroyedSessions)

    const browsers = conditions.filter((one) => one.kind === 'browser')
    const isOfSessions = browsers.some(({ account, session }) => account !== undefined || session !== undefined)
    const isTrimming = clients.some(({ grantKey }) => trims(grantKey))
    const statement = writeStatement({
      isSpending: conditions.length > browsers.length,
      browsers: isOfSessions ? 'sessions' : browsers.length > 0 ? 'outcomes' : 'none',
      isDestroying: destroys.length > 0,
      isEndingSessions: destroyedSessions.length > 0,
      clients: isTrimming ? 'trimmed' : clients.length > 0 ? 'noted' : 'none',
    })
    const answer = await postgres.query(statement, [
      ...rowArrays(rows),
      ...(conditions.length > 0 ? [now(), ...conditionArrays(conditions)] : []),
      ...(browsers.length > 0 ? browserArrays(conditions) : []),
      ...(destroys.length > 0 ? destroyArrays(destroys) : []),
      ...(destroyedSessions.length > 0 ? [bytesArray(destroyedSessions)] : []),
      ...(clients.length > 0 ? clientArrays(clients) : []),
    ])
    const results = new Map<number, Cell | undefined>(answer.map(([r, result]) => [Number(r), result]))
    return writes.map(({ condition }, index) => {
      if (condition === undefined) return { isMet: true }
      const found = resultOf[Number(results.get(index) ?? 0)]
      // The statement returns no row when the first check fails: for a browser, the check of the
      // account.
      return found ?? (condition.kind === 'browser' ? { isMet: false, failedCondition: 'account' } : { isMet: false })
    })
  }

  const write = createBatches<Write, WriteResult>({
    size: batchSize,
    inFlight: batchesInFlight,
    run,
    // A statement cannot change a row twice, and two statements with common rows could deadlock.
    touches: ({ condition, upserts, unconditional, destroys, destroyedSessions }) => [
      ...touchedBy(condition),
      ...upserts.map(({ id }) => mapKey(id)),
      ...unconditional.map(({ id }) => mapKey(id)),
      ...destroys.map(mapKey),
      ...destroyedSessions.map(mapKey),
    ],
  })

  return {
    /** Writes everything or, when the condition is not met, only the unconditional rows. */
    write,

    /**
     * Whether this proof is new. An empty `text` claims the proof for this request until
     * `expiresAt`; a call with a text saves it.
     */
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

    /** Expires a row now, unless it was written since it was read. */
    async expire({ id, expiresAt }: Pick<StoredArtifact, 'id' | 'expiresAt'>, at: number): Promise<void> {
      await postgres.query(expireRow, [id, expiresAt, at])
    },

    /** Removes a row and gives its content: no second request gets it. */
    async take(id: Buffer): Promise<{ sealed: Buffer; expiresAt: number } | undefined> {
      const [row] = await postgres.query(takeRow, [id])
      return row && { sealed: row[0] as Buffer, expiresAt: Number(row[1]) }
    },
  }
}

function touchedBy(condition: Condition | undefined): string[] {
  if (!condition) return []
  if (condition.kind !== 'browser') return [mapKey(condition.key)]
  const { session, outcome } = condition
  return [...(session ? [mapKey(session.key)] : []), ...(outcome ? [mapKey(outcome.key)] : [])]
}
