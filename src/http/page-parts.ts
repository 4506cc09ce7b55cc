/** Data that several pages show: an account, a passkey, a factor, the problems of a form. */

export type AccountView = Readonly<{ email: string; name?: string }>

/** A form for the browser's authenticator: its URL, and the options of WebAuthn as JSON. */
export type PasskeyView = Readonly<{ action: string; options: string }>

/** A second factor on a page: its own view shows it and reads `data`. */
export type FactorView = Readonly<{
  id: string
  /** The URL of its form, or the beginning of that URL. */
  action: string
  /** Scripts that its form needs. */
  scripts: readonly string[]
  data: Readonly<Record<string, unknown>>
}>

export type ScopeView = Readonly<{ name: string; description?: string }>

/**
 * The problems of a form by the field's name: a code of `problems` or `errors` in the catalogue.
 */
export type FieldProblems = Readonly<Record<string, FieldProblem & Readonly<{ also?: readonly FieldProblem[] }>>>

/** `also`: the other problems of the field. */
type FieldProblem = Readonly<{ code: string; params?: Readonly<Record<string, string | number>> }>
