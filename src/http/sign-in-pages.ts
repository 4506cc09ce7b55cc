/** The pages of the sign-in flow: registration, recovery, email links, second factors, consent. */
import type { ClientView } from '../authentication/interaction.ts'
import type { AccountView, FactorView, FieldProblems, PasskeyView, ScopeView } from './page-parts.ts'

/** The messages after an action: `pages.notice.<name>`. */
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
    /** A registered error code. */
    error?: string
    errorParams?: Readonly<Record<string, string | number>>
    /** Signing in with a passkey. */
    passkey?: PasskeyView
    /** The challenge of a CAPTCHA as JSON, when one is required. */
    captcha?: string
    /** The URLs of registration and password recovery; absent where they are not offered. */
    registerUrl?: string
    recoverUrl?: string
  }>
  /** Passwords are locked for now: the other ways to sign in. */
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
    /** The URL of the sign-in page; absent outside an interaction. */
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
  /**
   * What an emailed link asks for: a button, the password of the registration, or a new password.
   */
  link: Readonly<{
    kind: 'verify'
    action: string
    token: string
    interactionUid?: string
    email: string
  }>
  /** A new email of the account: a button within its session, otherwise the account's password. */
  'link-email': Readonly<{
    action: string
    token: string
    /** The new email; the page never shows the present one. */
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
    /** Required by an invitation. */
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
    /** OpenID Connect scopes; each known one has a text. */
    scopes: readonly Readonly<{ name: string }>[]
    /** Single claims, requested with the `claims` parameter (OpenID Connect Core 1.0 §5.5). */
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
    /** One form for each factor, in the order in which they are offered. */
    forms: readonly FactorView[]
    /** Factors that are locked after too many wrong answers. */
    disabled: readonly string[]
    mayRemember: boolean
    error?: string
    errorParams?: Readonly<Record<string, string | number>>
    /** The URL to request a reset of the factors. */
    resetUrl?: string
    switchAction: string
    cancelAction: string
  }>
  /** Requests a reset of the second factors, or completes it with an emailed link (`token`). */
  'factor-reset': Readonly<{
    email?: string
    action: string
    token?: string
    returnUrl?: string
    factors: readonly Readonly<{ method: string; since: string }>[]
    isAllowed: boolean
    /** When the link of a pending request is emailed. */
    due?: string
  }>
  /** A second factor that must be set up before the login continues. */
  'factor-enrol': Readonly<{
    client?: ClientView
    account: AccountView
    /** The requested acr. */
    level: string
    /** One form to set up each factor. */
    forms: readonly FactorView[]
    problems: FieldProblems
    switchAction: string
    cancelAction: string
  }>
  /** New recovery codes, shown only once. */
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
