/** The queued request for an email, encrypted at rest. `plans.ts` chooses recipient and link. */

/** A second factor's id. An email names it with `emails.method.<id>` and `emails.factor.<id>`. */
export type FactorMethod = string

/**
 * A listed factor and its enrolment time (milliseconds). The factor's name is omitted, because a
 * stranger may have chosen it.
 */
export type ListedFactor = Readonly<{ method: FactorMethod; addedAt: number }>

/**
 * `go` is the interaction to return to. `address` (the ip) and `requestId` identify the request.
 * `generation` is that of the account at the request; a later generation gets no link.
 */
export type EmailIntent = Readonly<{
  askedAtMs: number
  /** Of a notification: the account's proven email at the time of the request, or null. */
  to?: string | null
}> &
  (
    | Readonly<{ mail: 'registration'; email: string; go?: string; address?: string; requestId?: string }>
    | Readonly<{ mail: 'recovery'; email: string; go?: string; address?: string; requestId?: string }>
    | Readonly<{ mail: 'invitation'; accountId: string; generation?: number }>
    | Readonly<{ mail: 'email_change'; accountId: string; email: string; generation?: number }>
    | Readonly<{ mail: 'email_changed'; accountId: string; to: string }>
    | Readonly<{ mail: 'password_changed'; accountId: string }>
    | Readonly<{ mail: 'account_leaving'; accountId: string; untilMs: number }>
    | Readonly<{ mail: 'account_deleted'; to: string }>
    | Readonly<{ mail: 'sign_in_locked'; email: string }>
    | Readonly<{ mail: 'new_browser'; accountId: string }>
    | Readonly<{ mail: 'factor_added'; accountId: string; method: FactorMethod }>
    | Readonly<{ mail: 'factor_removed'; accountId: string; method: FactorMethod }>
    | Readonly<{
        mail: 'factor_reset_requested'
        accountId: string
        factors: readonly ListedFactor[]
        untilMs: number
      }>
    | Readonly<{
        mail: 'factor_reset_due'
        accountId: string
        generation: number
        factors: readonly ListedFactor[]
      }>
    | Readonly<{ mail: 'factor_guessed'; accountId: string; method: FactorMethod }>
  )

export type EmailName = EmailIntent['mail']
export type IntentOf<Name extends EmailName> = Extract<EmailIntent, { mail: Name }>
