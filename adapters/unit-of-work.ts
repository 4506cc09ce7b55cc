/**
 * The reads and writes of one request: reads are cached, writes are collected and written together.
 * docs/decisions/0021
 */
import { mapKey, rowId } from './digest.ts'
import type { ModelName, Payload, StoredArtifact, Upsert } from './model.ts'

/** A code or refresh token that was presented to a grant handler. */
export type PresentedToken = {
  model: ModelName
  /** The value as presented. */
  token: string
  stored: StoredArtifact
  payload: Payload
  /** The client repeats a spent token in its grace window. The engine sees the token as unspent. */
  isRepeat: boolean
}

/** A browser session as its row was when the request loaded it. */
export type LoadedSession = Readonly<{
  /** The digest of its uid, which does not change when it is renamed. */
  key: Buffer
  /** The id of the row, which changes when it is renamed. */
  id: Buffer
  accountId: string | undefined
  generation: number
}>

/**
 * The outcome of the interaction that the request resumes. `response` gives the sealed response,
 * once it is known, so that a repeated request gets it again.
 */
export type ResumedOutcome = Readonly<{ key: Buffer; interaction: Buffer; response: () => Buffer }>

export type Unit = {
  /**
   * When the request began, in milliseconds since the epoch. Undefined after the request has ended
   * something itself, because that end must not cover its later writes.
   */
  beganAt: number | undefined
  /** Rows as read, by id. */
  readonly known: Map<string, Promise<StoredArtifact | undefined>>
  readonly upserts: Map<string, Upsert>
  /** Proofs that this request has claimed. */
  readonly claimed: Set<string>
  /** Rows that are saved even if the request fails. */
  readonly unconditional: Map<string, Upsert>
  readonly destroyed: Map<string, { id: Buffer; model: ModelName }>
  /** Revoked tokens that no store has. Each is denied until `expiresAt` (milliseconds). */
  readonly lost: Map<string, { key: Buffer; expiresAt: number }>
  /** Grants whose tokens the engine revokes. */
  readonly revoked: Map<string, Buffer>
  /** The browser session that this request has loaded. */
  session: LoadedSession | undefined
  /** The sign-in of an interaction that this request has loaded: its account and generation. */
  signIn: { accountId: string; generation: number } | undefined
  /**
   * The interaction that this request has loaded, if it began in a signed-in session: its account
   * and generation.
   */
  interaction: { id: Buffer; accountId: string; generation: number } | undefined
  /** The interaction that the request resumes, with the response to repeat. */
  outcome: ResumedOutcome | undefined
  /** The answer that the request gives to an interaction. */
  decision: Readonly<{ key: Buffer; interaction: Buffer; answer: Buffer }> | undefined
  isSessionDestroyed: boolean
  isGranting: boolean
  presented: PresentedToken | undefined
  /** Whether the handler spends the presented token. */
  isSpending: boolean
  /** The refresh token that the handler has created. `key` is the key of its row in `upserts`. */
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

/** The request no longer sees or writes tokens of the grant. The flush ends them. */
export function revokeByGrantId(unit: Unit, grantId: string): void {
  const key = rowId('Grant', grantId)
  unit.revoked.set(mapKey(key), key)
  for (const [name, row] of unit.upserts) if (row.grantKey?.equals(key)) unit.upserts.delete(name)
}
