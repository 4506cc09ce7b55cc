/** What several pages show: an account, a passkey, a factor, the problems of a form. */

export type AccountView = Readonly<{ email: string; name?: string }>

/** A form for the browser's authenticator: where it goes, and the options of WebAuthn as JSON. */
export type PasskeyView = Readonly<{ action: string; options: string }>

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

/**
 * What is wrong with the fields of a form, by the field's name: a code of `problems` or `errors` in
 * the catalogue.
 */
export type FieldProblems = Readonly<Record<string, FieldProblem & Readonly<{ also?: readonly FieldProblem[] }>>>

/** `also` on a field: everything else that is wrong with it. */
type FieldProblem = Readonly<{ code: string; params?: Readonly<Record<string, string | number>> }>
