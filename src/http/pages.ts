/** Every page there is, with the data it shows. Sentences come from the catalogue; everything here is data and is printed escaped. */

/** A client as a page shows it: its name is whatever its owner typed, its host is where the browser will go. */
export type ClientView = Readonly<{
  name: string
  /** Host of the redirect URI, or the scheme of a private-use one. */
  host: string
  isFirstParty: boolean
  /** `client_uri` of RFC 7591 §2. */
  uri?: string
}>

export type AccountView = Readonly<{ email: string; name?: string }>

/** A form for the browser's authenticator: where it goes, and the options of WebAuthn as JSON. */
export type PasskeyView = Readonly<{ action: string; options: string }>

/** What stands around each page of a person's own account. */
export type AccountFrame = Readonly<{
  here: 'overview' | 'profile' | 'email' | 'password' | 'factors' | 'sessions' | 'applications' | 'events' | 'data'
  account: AccountView
  /** The day on which the account goes, when its person has asked for it. */
  leavingOn?: string
  /** A reset of the second factors that was asked for: when, and from when on a link carries it out. */
  factorReset?: Readonly<{ at: string; due: string }>
}>

/** A second factor on a page: its own view shows it, and `data` is what that view reads. */
export type FactorView = Readonly<{
  id: string
  /** The address that its form is sent to, or begins with. */
  action: string
  /** Scripts that its form needs. */
  scripts: readonly string[]
  data: Readonly<Record<string, unknown>>
}>

export type ScopeView = Readonly<{ name: string; description?: string }>

/** What is wrong with the fields of a form, by the field's name: a code of `problems` or `errors` in the catalogue. */
export type FieldProblems = Readonly<Record<string, FieldProblem & Readonly<{ also?: readonly FieldProblem[] }>>>

/** `also` on a field: everything else that is wrong with it. */
type FieldProblem = Readonly<{ code: string; params?: Readonly<Record<string, string | number>> }>

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

export type PageLocals = {
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
  /** What a mailed link asks for: a button, the password of the registration, a new password. */
  link: Readonly<{
    kind: 'verify'
    action: string
    token: string
    go?: string
    email: string
  }>
  /** A new email address: a button in a session of the account, the account's password elsewhere. */
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
    anewAction: string
    token: string
    go?: string
    email: string
    name: string
    problems: FieldProblems
    anewProblems: FieldProblems
  }>
  'link-password': Readonly<{
    kind: 'invited' | 'recover'
    action: string
    token: string
    go?: string
    email: string
    /** Asked for in an invitation. */
    name?: string
    problems: FieldProblems
  }>
  notice: Readonly<{
    name: (typeof noticeNames)[number]
    email?: string
    goUrl?: string
  }>
  'dev-mail': Readonly<{
    mails: readonly Readonly<{ to: string; subject: string; text: string; at: string; link?: string }>[]
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
  /** Asking for a reset of the second factors, or carrying it out with a mailed link (`token`). */
  'factor-reset': Readonly<{
    email?: string
    action: string
    token?: string
    backUrl?: string
    factors: readonly Readonly<{ method: string; since: string }>[]
    isAllowed: boolean
    /** When the link of a request that waits is mailed. */
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
  'recovery-codes': Readonly<{ codes: readonly string[]; action?: string; backUrl?: string }>
  'account/overview': AccountFrame & Readonly<{ isEmailVerified: boolean; done?: string }>
  'account/profile': AccountFrame &
    Readonly<{
      fields: readonly Readonly<{ claim: string; autocomplete: string; type?: string; isRequired?: boolean }>[]
      values: Readonly<Record<string, string>>
      problems: FieldProblems
    }>
  'account/email': AccountFrame &
    Readonly<{
      email: string
      isVerified: boolean
      needsPassword: boolean
      autocomplete: string
      problems: FieldProblems
    }>
  'account/password': AccountFrame & Readonly<{ email: string; needsPassword: boolean; problems: FieldProblems }>
  'account/factors': AccountFrame &
    Readonly<{
      /** One of each factor. */
      sections: readonly FactorView[]
      /** Methods that too many wrong answers have switched off. */
      off: readonly string[]
      error?: string
      hasFactor: boolean
      rememberedBrowsers: number
      mustHave: boolean
    }>
  /** Setting up a factor that has a page of its own. */
  'account/factor': AccountFrame & Readonly<{ form: FactorView; problems: FieldProblems }>
  'account/sessions': AccountFrame &
    Readonly<{
      sessions: readonly Readonly<{
        handle: string
        isThis: boolean
        browser?: string
        system?: string
        signedInAt: string | undefined
        lastSeenAt: string | undefined
        place: string | undefined
      }>[]
    }>
  'account/applications': AccountFrame &
    Readonly<{
      applications: readonly Readonly<{
        clientId: string
        name: string
        since: string | undefined
        scopes: readonly string[]
        resources: readonly string[]
      }>[]
    }>
  'account/events': AccountFrame &
    Readonly<{ events: readonly Readonly<{ at: string; action: string; method?: string; address?: string }>[] }>
  'account/data': AccountFrame &
    Readonly<{ email: string; needsPassword: boolean; graceDays: number; problems: FieldProblems }>
  /** `afterSeconds`: how long the browser waits before it goes on by itself; 0 when absent. */
  continue: Readonly<{ url: string; host?: string; afterSeconds?: number }>
  logout: Readonly<{ action: string; xsrf: string; client?: ClientView; account: AccountView }>
  'logged-out': Readonly<{ client?: ClientView; homeUrl?: string; isSignedIn?: boolean }>
  'form-post': Readonly<{ action: string; fields: readonly (readonly [string, string])[] }>
  error: Readonly<{
    status: number
    /** Our code, or an error code of the protocol. */
    code: string
    params?: Readonly<Record<string, string | number>>
    /** Instead of the code's own sentence. */
    sentence?: string
    requestId: string
    isRetryable: boolean
  }>
  home: Readonly<{
    issuer: string
    discoveryUrl: string
    development?: Readonly<{
      user: string
      password: string
      clients: readonly Readonly<{ clientId: string; url?: string }>[]
    }>
  }>
}

export type PageName = keyof PageLocals

/** The list behind `PageName`: a page not named here is not compiled. */
export const pageNames = [
  'login',
  'locked',
  'register',
  'recover',
  'link',
  'link-email',
  'link-prove',
  'link-password',
  'notice',
  'dev-mail',
  'consent',
  'select-account',
  'factor',
  'factor-reset',
  'factor-enrol',
  'recovery-codes',
  'account/overview',
  'account/profile',
  'account/email',
  'account/password',
  'account/factors',
  'account/factor',
  'account/sessions',
  'account/applications',
  'account/events',
  'account/data',
  'continue',
  'logout',
  'logged-out',
  'form-post',
  'error',
  'home',
] as const satisfies readonly PageName[]
