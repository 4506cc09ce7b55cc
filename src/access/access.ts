/** The access of a route: which caller a request needs, and what the handler learns of that caller. */
import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { Permission } from './permissions.ts'

/** `recent`: the login is at most five minutes old. `factor`: it had the second factor, if the account has one. */
export type SessionDemand = 'any' | 'recent' | 'recent+factor'

/** `authenticated`: with its credential. `public`: a client without one is enough. `named`: its `client_id` is enough. */
export type ClientDemand = 'authenticated' | 'public' | 'named'

/** `{ public: reason }` stands where a path needs a reason to be public. */
export type Access =
  | 'public'
  | Readonly<{ public: string }>
  | Readonly<{ session: SessionDemand }>
  | Readonly<{ permission: Permission }>
  | Readonly<{ client: ClientDemand }>

/** Moments in milliseconds. */
export type PendingReset = Readonly<{ requestedAt: number; dueAt: number }>

/** A request in a session that the session guard has checked. `authTimeMs` is the moment of the login, in milliseconds. */
export type Visit = Readonly<{
  account: Account
  /** With the generation of the account that it was loaded with. */
  session: Readonly<{ uid: string; id: string; generation: number }>
  ip: string
  authTimeMs: number
  acr: string | undefined
  amr: readonly string[]
  factorReset: PendingReset | undefined
}>

/** What a handler is given because of its route's access. */
export type Granted<A extends Access> = A extends { session: SessionDemand }
  ? { visit: Visit }
  : A extends { client: ClientDemand }
    ? { clientId: string }
    : unknown

export type Admission = Readonly<{ visit: Visit } | { loginUrl: string }>

/** The checks of access. A route whose check is absent cannot be mounted. */
export type AccessGuards = Readonly<{
  /** Gives the visit, or where the browser has to log in first. Throws where a login would come too late. */
  session?: (ctx: Context, demand: SessionDemand) => Promise<Admission>
  /** Throws unless the caller has the permission. */
  permission?: (ctx: Context, permission: Permission) => Promise<void>
  /** Gives the client's id. Throws unless the client meets the demand. */
  client?: (ctx: Context, demand: ClientDemand) => Promise<string>
}>
