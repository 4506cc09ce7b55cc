/** One request's reads and writes: reads are remembered, writes are collected and leave together. */
import type { ModelName, Payload, Stored, Upsert } from './model.ts'

/** A code or refresh token that was presented to a grant handler. */
export type Presented = {
  model: ModelName
  /** As it was presented. */
  token: string
  stored: Stored
  payload: Payload
  /** Spent, but so recently that its own client may have lost the answer: the engine does not see that it was spent. */
  isRepeat: boolean
}

export type Unit = {
  /** Rows as they were read, by id. */
  readonly known: Map<string, Promise<Stored | undefined>>
  readonly upserts: Map<string, Upsert>
  /** Proofs that this request has claimed, and what is to be remembered of them whatever becomes of the request. */
  readonly claimed: Set<string>
  readonly unconditional: Map<string, Upsert>
  readonly destroyed: Map<string, { id: Buffer; model: ModelName }>
  /** Grants whose tokens the engine revokes. */
  readonly revoked: Map<string, Buffer>
  /** The browser session this request was found to belong to. */
  session: Buffer | undefined
  isSessionDestroyed: boolean
  isGranting: boolean
  presented: Presented | undefined
  /** Whether the handler wants what was presented to be spent. */
  isSpending: boolean
  /** The refresh token the handler has made: its bearer form, for the successor, and its row. */
  issuedRefreshToken: { token: string; key: string } | undefined
}

export const createUnit = (): Unit => ({
  known: new Map(),
  upserts: new Map(),
  claimed: new Set(),
  unconditional: new Map(),
  destroyed: new Map(),
  revoked: new Map(),
  session: undefined,
  isSessionDestroyed: false,
  isGranting: false,
  presented: undefined,
  isSpending: false,
  issuedRefreshToken: undefined,
})
