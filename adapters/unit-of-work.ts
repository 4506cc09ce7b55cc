/**
 * One request's reads and writes: reads are remembered, writes are collected and leave together.
 * docs/decisions/0021
 */
import { mapKey, rowId } from './digest.ts'
import type { ModelName, Payload, StoredArtifact, Upsert } from './model.ts'

/** A code or refresh token that was presented to a grant handler. */
export type PresentedToken = {
  model: ModelName
  /** As it was presented. */
  token: string
  stored: StoredArtifact
  payload: Payload
  /**
   * Spent, but so recently that its own client may have lost the answer: the engine does not see
   * that it was spent.
   */
  isRepeat: boolean
}

/** A browser session as its row was when the request loaded it. */
export type LoadedSession = Readonly<{
  /** Digest of its uid, which stays when it is renamed. */
  key: Buffer
  /** The row, which a renaming replaces. */
  id: Buffer
  accountId: string | undefined
  generation: number
}>

/**
 * The outcome of an interaction that the request resumes: `response` gives what is sealed for a
 * repetition, once it is known.
 */
export type ResumedOutcome = Readonly<{ key: Buffer; interaction: Buffer; response: () => Buffer }>

export type Unit = {
  /**
   * When the request began, in milliseconds since the epoch; undefined once it has ended something
   * itself: what it writes then is new.
   */
  beganAt: number | undefined
  /** Rows as they were read, by id. */
  readonly known: Map<string, Promise<StoredArtifact | undefined>>
  readonly upserts: Map<string, Upsert>
  /**
   * Proofs that this request has claimed, and what is to be remembered of them whatever becomes of
   * the request.
   */
  readonly claimed: Set<string>
  readonly unconditional: Map<string, Upsert>
  readonly destroyed: Map<string, { id: Buffer; model: ModelName }>
  /**
   * Tokens that a client gives back and no store has: their denials, and until when each is kept
   * (milliseconds).
   */
  readonly lost: Map<string, { key: Buffer; expiresAt: number }>
  /** Grants whose tokens the engine revokes. */
  readonly revoked: Map<string, Buffer>
  /** The browser session this request was found to belong to. */
  session: LoadedSession | undefined
  /**
   * The sign-in of an interaction that this request has loaded: from whom, and in which generation
   * of the account.
   */
  signIn: { accountId: string; generation: number } | undefined
  /**
   * The interaction that this request has loaded, when it began in a signed-in session: of which
   * account, and in which generation.
   */
  interaction: { id: Buffer; accountId: string; generation: number } | undefined
  /** The interaction that the request resumes, and what is to be repeated of its response. */
  outcome: ResumedOutcome | undefined
  /** The answer that the request gives to an interaction. */
  decision: Readonly<{ key: Buffer; interaction: Buffer; answer: Buffer }> | undefined
  isSessionDestroyed: boolean
  isGranting: boolean
  presented: PresentedToken | undefined
  /** Whether the handler wants what was presented to be spent. */
  isSpending: boolean
  /** The refresh token the handler has made: its bearer form, for the successor, and its row. */
  issuedRefreshToken: { token: string; key: string } | undefined
}

export const createUnit = (beganAt: number): Unit => ({
  beganAt,
  known: new Map(),
  upserts: new Map(),
  claimed: new Set(),
  unconditional: new Map(),
  destroyed: new Map(),
  lost: new Map(),
  revoked: new Map(),
  session: undefined,
  signIn: undefined,
  interaction: undefined,
  outcome: undefined,
  decision: undefined,
  isSessionDestroyed: false,
  isGranting: false,
  presented: undefined,
  isSpending: false,
  issuedRefreshToken: undefined,
})

/** From now on the request neither sees nor writes tokens of the grant; the flush ends them. */
export function revokeByGrantId(unit: Unit, grantId: string): void {
  const key = rowId('Grant', grantId)
  unit.revoked.set(mapKey(key), key)
  for (const [name, row] of unit.upserts) if (row.grantKey?.equals(key)) unit.upserts.delete(name)
}
