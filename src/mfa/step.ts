/** Types of the next step of a login, and of the data that decides it. */
import type { Account } from '../accounts/account.ts'
import type { Level } from '../authentication/levels.ts'
import type { RequestOrigin } from '../origin.ts'
import type { MethodId } from './methods/index.ts'

/** The interaction: the demand of its client, and the session from which it may continue. */
export type StepRequest = Readonly<{
  uid: string
  clientId: string
  demand: Readonly<{ level: Level; isEssential: boolean }>
  /** A valid session that lacks only the level. Undefined when a fresh login is required. */
  currentLogin:
    | Readonly<{ accountId: string; generation: number; amr: readonly string[]; authTimeMs: number }>
    | undefined
}>

/** The browser's token, if it has one, and the origin of the request. */
export type LoginContext = Readonly<{ rememberedToken?: string | undefined; origin: RequestOrigin }>

/** The login is complete. Tokens carry these values. `authTimeMs`: of the oldest proof. */
export type CompletedLogin = Readonly<{
  kind: 'done'
  /** As read when the last proof was recorded. */
  account: Account
  level: Level
  amr: readonly string[]
  authTimeMs: number
}>

export type Step =
  | CompletedLogin
  /** The user must prove one of `methods`. Those in `disabled` had too many wrong answers. */
  | Readonly<{
      kind: 'factor'
      account: Account
      methods: readonly MethodId[]
      disabled: readonly MethodId[]
      mayRemember: boolean
    }>
  /** The account has no sufficient factor: the user must set up one of `methods`. */
  | Readonly<{ kind: 'enrol'; account: Account; level: Level; methods: readonly MethodId[] }>
