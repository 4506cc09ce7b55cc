/**
 * An authorization request that waits for its person: what the pages of a login and of the consent
 * see of it, and how they answer it.
 */
import type { Context } from 'koa'
import type { InteractionResults } from 'oidc-provider'
import type { Tx } from '../database/database.ts'
import type { AcrDemand } from './levels.ts'

/**
 * The client of a request as the pages show it: the name that its owner typed, and the host that
 * the browser will go to.
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
   * The session, when only a stronger class of login is asked of it: what it has proven need not be
   * proven again (RFC 9470 §5).
   */
  currentLogin: { accountId: string; generation: number; amr: readonly string[]; authTimeMs: number } | undefined
  /** What the client demands of the class of login. */
  demand: AcrDemand
  /** The parameters of the authorization request. */
  params: Readonly<Record<string, unknown>>
  /** What the account has not allowed yet, as the engine found it. */
  missing: {
    scopes: readonly string[]
    claims: readonly string[]
    resources: Readonly<Record<string, readonly string[]>>
  }
}

export type Interactions = Readonly<{
  /**
   * The interaction of this browser. Throws `interaction_expired` for any other one, and when it is
   * over.
   */
  load: (ctx: Context, uid: string) => Promise<Interaction>

  /**
   * The interaction to be answered with `answer`. After a double click, when this very answer has
   * just ended the interaction: the URL at which the browser continues.
   */
  loadForAnswer: (ctx: Context, uid: string, answer: string) => Promise<Interaction | { continueTo: string }>

  /**
   * Decides the interaction ahead of the effects of its answer. Gives false for the same answer a
   * moment later. Throws `interaction_answered` for another one.
   */
  decide: (uid: string, answer: string) => Promise<boolean>

  /** The same as a part of the caller's transaction: the interaction is decided when that commits. */
  decideWithin: (tx: Tx, uid: string, answer: string) => Promise<boolean>

  /**
   * Answers the interaction; gives the URL that continues the authorization. An error replaces
   * earlier answers, all else adds to them.
   */
  finish: (ctx: Context, result: InteractionResults, answer: string) => Promise<string>

  /** Destroys the interaction: nothing continues it, and the client is told nothing. */
  abandon: (ctx: Context, uid: string) => Promise<void>

  /**
   * Takes the signed-in account out of the interaction and destroys its session. The caller ends
   * what depends on the session, in its own transaction.
   */
  leaveSession: (ctx: Context, uid: string) => Promise<void>
}>
