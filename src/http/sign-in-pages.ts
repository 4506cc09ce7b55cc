/**
 * The pages of a sign-in and what belongs to it: registration, recovery, email links, second
 * factors, consent.
 */
import type { ClientView } from '../authentication/interaction.ts'
import type { AccountView, FactorView, FieldProblems, PasskeyView, ScopeView } from './page-parts.ts'

/** What a page says when something is done: its sentences are `pages.notice.<name>`. */
export const noticeNames = [
  'registered',
  'verified',
  'recovery_sent',
  'password_set',
  'email_changed',
  'email_taken',
  'factors_reset',
] as const

export type SignInPages = {
  login: Readonly<{
    client?: ClientView
    action: string
    cancelAction: string
    email: string
    /** A code of the register of errors. */
    error?: string
    errorParams?: Readonly<Record<string, string | number>>
    /** Signing in with a passkey. */
    passkey?: PasskeyView
    /** The challenge of a CAPTCHA, as JSON, when one is needed. */
    captcha?: string
    /** Where an account is made, and a new password asked for; absent where that is not offered. */
    registerUrl?: string
    recoverUrl?: string
  }>
  /** No password is looked at for now: what still leads in. */
  locked: Readonly<{
    client?: ClientView
    error: string
    passkey: PasskeyView
    recoverUrl?: string
    signInUrl: string
    cancelAction: string
  }>
  register: Readonly<{
    client?: ClientView
    action: string
    /** Back to where people sign in; absent outside an interaction. */
    signInUrl?: string
    email: string
    name: string
    problems: FieldProblems
  }>
  recover: Readonly<{
    client?: ClientView
    action: string
    signInUrl?: string
    email: string
    problems: FieldProblems
  }>
  /** What an emailed link asks for: a button, the password of the registration, a new password. */
  link: Readonly<{
    kind: 'verify'
    action: string
    token: string
    interactionUid?: string
    email: string
  }>
  /**
   * A new email address: a button in a session of the account, the account's password elsewhere.
   */
  'link-email': Readonly<{
    action: string
    token: string
    /** The new one; the page never shows the one that the account has. */
    email: string
    needsPassword: boolean
    problems: FieldProblems
  }>
  'link-prove': Readonly<{
    action: string
    startOverAction: string
    token: string
    interactionUid?: string
    email: string
    name: string
    problems: FieldProblems
    startOverProblems: FieldProblems
  }>
  'link-password': Readonly<{
    kind: 'invited' | 'recover'
    action: string
    token: string
    interactionUid?: string
    email: string
    /** Asked for in an invitation. */
    name?: string
    problems: FieldProblems
  }>
  notice: Readonly<{
    name: (typeof noticeNames)[number]
    email?: string
    returnUrl?: string
  }>
  consent: Readonly<{
    client: ClientView
    account: AccountView
    /** OpenID Connect scopes; each known one has a sentence. */
    scopes: readonly Readonly<{ name: string }>[]
    /** Single claims, asked for with the `claims` parameter (OpenID Connect Core 1.0 §5.5). */
    claims?: readonly string[]
    resources: readonly Readonly<{ identifier: string; name: string; scopes: readonly ScopeView[] }>[]
    hasOfflineAccess: boolean
    action: string
    cancelAction: string
    switchAction: string
  }>
  'select-account': Readonly<{
    client?: ClientView
    account: AccountView
    action: string
    switchAction: string
    cancelAction: string
  }>
  /** The second step of a login. */
  factor: Readonly<{
    client?: ClientView
    account: AccountView
    /** Each proves one factor, in the order in which they are offered. */
    forms: readonly FactorView[]
    /** Factors that too many wrong answers have switched off. */
    off: readonly string[]
    mayRemember: boolean
    error?: string
    errorParams?: Readonly<Record<string, string | number>>
    /** Where a reset of the factors is asked for. */
    resetUrl?: string
    switchAction: string
    cancelAction: string
  }>
  /** Asking for a reset of the second factors, or carrying it out with an emailed link (`token`). */
  'factor-reset': Readonly<{
    email?: string
    action: string
    token?: string
    returnUrl?: string
    factors: readonly Readonly<{ method: string; since: string }>[]
    isAllowed: boolean
    /** When the link of a request that waits is emailed. */
    due?: string
  }>
  /** A second factor that must be set up before the login goes on. */
  'factor-enrol': Readonly<{
    client?: ClientView
    account: AccountView
    /** The class of login that is asked for. */
    level: string
    /** Each sets up one factor. */
    forms: readonly FactorView[]
    problems: FieldProblems
    switchAction: string
    cancelAction: string
  }>
  /** New recovery codes, shown this once. */
  'recovery-codes': Readonly<{ codes: readonly string[]; action?: string; returnUrl?: string }>
}

export const signInPages = [
  'login',
  'locked',
  'register',
  'recover',
  'link',
  'link-email',
  'link-prove',
  'link-password',
  'notice',
  'consent',
  'select-account',
  'factor',
  'factor-reset',
  'factor-enrol',
  'recovery-codes',
] as const satisfies readonly (keyof SignInPages)[]
