/** What a login asks for next, and what is known of it when that is decided. */
import type { Account } from '../accounts/account.ts'
import type { Level } from '../authentication/levels.ts'
import type { RequestOrigin } from '../origin.ts'
import type { MethodId } from './methods/index.ts'

/** What is known of the interaction: what its client demands, and the session that it may go on from. */
export type StepRequest = Readonly<{
  uid: string
  clientId: string
  demand: Readonly<{ level: Level; isEssential: boolean }>
  /** A session whose login is complete but for its class; undefined when a fresh login is asked for. */
  currentLogin:
    | Readonly<{ accountId: string; generation: number; amr: readonly string[]; authTimeMs: number }>
    | undefined
}>

/** The browser's token, if it has one, and the request. */
export type LoginContext = Readonly<{ rememberedToken?: string | undefined; origin: RequestOrigin }>

/** The login is enough, and this is what tokens say of it. `authTimeMs` is that of the oldest proof. */
export type CompletedLogin = Readonly<{
  kind: 'done'
  /** As it was read when the last proof was given. */
  account: Account
  level: Level
  amr: readonly string[]
  authTimeMs: number
}>

export type Step =
  | CompletedLogin
  /** Prove one of `methods`. Those of `off` would do, had there not been too many wrong answers. */
  | Readonly<{
      kind: 'factor'
      account: Account
      methods: readonly MethodId[]
      off: readonly MethodId[]
      mayRemember: boolean
    }>
  /** There is none yet that would do: set up one of `methods`. */
  | Readonly<{ kind: 'enrol'; account: Account; level: Level; methods: readonly MethodId[] }>
