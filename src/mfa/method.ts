/** What a second factor is to the login: something a person has set up, and an answer that can be checked. */
import type { Queryable, Tx } from '../database/database.ts'
import type { MethodId } from './proof.ts'

/** Whose factor is asked for. `generation` is the account's, as the sign-in carries it: in a later one nothing is proven. */
export type FactorOwner = Readonly<{ accountId: string; generation: number }>

/** What came with the form: a code that was typed, or what the browser's authenticator answered. */
export type FactorAnswer = Readonly<{
  code?: string
  response?: string
  /** The interaction in which it is asked: an answer counts nowhere else. */
  interactionUid: string
}>

export type MfaMethod = Readonly<{
  id: MethodId
  /** Whether it makes a second factor by itself: recovery codes only stand in for one. */
  isStandIn?: boolean
  /** `db`: the caller's transaction, where there is one. */
  isEnrolled: (accountId: string, db?: Queryable) => Promise<boolean>
  /** Whether the answer proves the factor beside the password, which it does once: of any number at once one is true. */
  check: (owner: FactorOwner, answer: FactorAnswer) => Promise<boolean>
  /** Where a person has several: takes one away. Gives whether it was there. */
  removeOne?: (tx: Tx, accountId: string, id: string) => Promise<boolean>
  /** Takes the factor away, within the transaction. */
  removeAll: (tx: Tx, accountId: string) => Promise<void>
}>
