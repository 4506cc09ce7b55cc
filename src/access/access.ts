/** The access of a route: which caller a request needs, and what the handler receives. */
import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { RequestOrigin } from '../origin.ts'
import type { Permission } from './permissions.ts'

/**
 * `recent`: the login is at most five minutes old.
 * `factor`: the login included a second factor, if the account has one.
 */
export type SessionDemand = 'any' | 'recent' | 'recent+factor'

/**
 * `authenticated`: the client sends its credential. `public`: a client without a credential too.
 * `named`: the request names a `client_id`.
 */
export type ClientDemand = 'authenticated' | 'public' | 'named'

/** `{ public: reason }` stands where a path needs a reason to be public. */
export type Access =
  | 'public'
  | Readonly<{ public: string }>
  | Readonly<{ session: SessionDemand }>
  | Readonly<{ permission: Permission }>
  | Readonly<{ client: ClientDemand }>

/** Times in milliseconds. */
export type PendingReset = Readonly<{ requestedAt: number; dueAt: number }>

/** A request in a session that the session guard has checked. */
export type Visit = Readonly<{
  account: Account
  /** `generation`: the account's generation when the session was loaded. */
  session: Readonly<{ uid: string; id: string; generation: number }>
  origin: RequestOrigin
  /** The time of the login, in milliseconds. */
  authTimeMs: number
  acr: string | undefined
  amr: readonly string[]
  factorReset: PendingReset | undefined
}>

/** What a handler receives because of its route's access. */
export type HandlerContext<A extends Access> = A extends { session: SessionDemand }
  ? { visit: Visit }
  : A extends { client: ClientDemand }
    ? { clientId: string }
    : unknown

export type Admission = Readonly<{ visit: Visit } | { loginUrl: string }>

/** The checks of access. A route whose check is absent cannot be mounted. */
export type AccessGuards = Readonly<{
  /** Returns the visit, or the URL of the login that is needed first. Throws for a form. */
  session?: (ctx: Context, demand: SessionDemand) => Promise<Admission>
  /** Throws unless the caller has the permission. */
  permission?: (ctx: Context, permission: Permission) => Promise<void>
  /** Returns the client's id. Throws unless the client meets the demand. */
  client?: (ctx: Context, demand: ClientDemand) => Promise<string>
}>
