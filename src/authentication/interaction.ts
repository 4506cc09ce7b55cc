/**
 * An authorization request that waits for the user: how the sign-in and consent pages read and
 * answer it.
 */
import type { Context } from 'koa'
import type { InteractionResults } from 'oidc-provider'
import type { Tx } from '../database/database.ts'
import type { AcrDemand } from './levels.ts'

/**
 * The client as the pages show it: the name that its administrator entered, and the host that the
 * browser continues to.
 */
export type ClientView = Readonly<{
  name: string
  /** Host of the redirect URI, or the scheme of a private-use one. */
  host: string
  isFirstParty: boolean
  /** `client_uri` of RFC 7591 §2. */
  uri?: string
}>

export type PromptName = 'login' | 'consent' | 'select_account'

export type Interaction = {
  uid: string
  prompt: PromptName
  clientId: string
  client: ClientView
  /** The account that is signed in at this browser, if there is one. */
  accountId: string | undefined
  sessionUid: string | undefined
  /**
   * The session, when only a stronger class of sign-in is required: its factors need not be proven
   * again (RFC 9470 §5).
   */
  currentLogin: { accountId: string; generation: number; amr: readonly string[]; authTimeMs: number } | undefined
  /** Where the browser continues, when this interaction is answered already. */
  answeredUrl: string | undefined
  /** The class of sign-in that the client demands. */
  demand: AcrDemand
  /** The parameters of the authorization request. */
  params: Readonly<Record<string, unknown>>
  /** What the account has not allowed yet, as the engine determined it. */
  missing: {
    scopes: readonly string[]
    claims: readonly string[]
    resources: Readonly<Record<string, readonly string[]>>
  }
}

export type Interactions = Readonly<{
  /**
   * The interaction of this browser. Throws `interaction_expired` for another one, or after its
   * end.
   */
  load: (ctx: Context, uid: string) => Promise<Interaction>

  /**
   * The interaction to be answered with `answer`. After a double click, when the same answer has
   * just finished it: the URL where the browser continues.
   */
  loadForAnswer: (ctx: Context, uid: string, answer: string) => Promise<Interaction | { continueTo: string }>

  /**
   * Decides the interaction inside the caller's transaction: the decision takes effect when that
   * commits. Gives false for the same answer a moment later. Throws `interaction_answered` for
   * another answer.
   */
  decide: (tx: Tx, uid: string, answer: string) => Promise<boolean>

  /**
   * Answers the interaction. Gives the URL that continues the authorization. An error replaces
   * earlier answers; other results are merged with them.
   */
  finish: (ctx: Context, result: InteractionResults, answer: string) => Promise<string>

  /** Destroys the interaction. It cannot continue, and the client gets no response. */
  abandon: (ctx: Context, uid: string) => Promise<void>

  /**
   * Removes the signed-in account from the interaction and destroys its session. The caller ends
   * what depends on the session, in its own transaction.
   */
  leaveSession: (ctx: Context, uid: string) => Promise<void>
}>
