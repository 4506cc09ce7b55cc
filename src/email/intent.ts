/** What waits to be emailed: the intent alone. Who it goes to, and the link in it, is decided when it is sent. */

/** A second factor's id. An email names it with `emails.method.<id>` and `emails.factor.<id>`. */
export type FactorMethod = string

/** A factor in a list, and when it was enrolled (milliseconds). Its name is not told: another person may have typed it. */
export type ListedFactor = Readonly<{ method: FactorMethod; addedAt: number }>

/**
 * `go` is the interaction to return to. `generation` is the account's when the email was asked for: its link is made in no later one.
 * Emails without it are notifications, or name an email address whose account is looked up when they are sent. All is sealed at rest.
 * `address` and `requestId` are of the request that asked. The program before sent no `requestId`.
 */
export type EmailIntent = Readonly<{
  askedAtMs: number
  /** Of a notification: the account's proven email address when it was asked for; null when there was none. */
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
