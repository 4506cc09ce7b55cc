/** The account's record and its profile claims, with the names of OpenID Connect. */
import type { addressClaims } from './field-checks.ts'
import type { FieldName } from './fields.ts'

/** The OpenID Connect address claim (Core §5.1.1), with its standard member names. */
export type PostalAddress = Partial<Record<(typeof addressClaims)[number], string>>

export type Profile = { [K in Exclude<FieldName, 'address'>]?: string } & { address?: PostalAddress }

/** `duplicate`: another account has the mailbox. `invalid`: it is not an email address. */
export type EmailProblem = 'duplicate' | 'invalid'

export type Account = Readonly<
  Profile & {
    /** The `sub` of tokens: a random UUID, never reused, never an email address. */
    id: string
    /** As shown to users. Lookups and counters use `normaliseEmail`. */
    email: string
    /** Why a lookup of the email does not find this account. Undefined when it does. */
    emailProblem: EmailProblem | undefined
    isEmailVerified: boolean
    isPhoneNumberVerified: boolean
    roles: readonly string[]
    passwordHash: string | undefined
    isDisabled: boolean
    /** Set by an operator: every login needs a second factor. */
    isFactorRequired: boolean
    /**
     * When the account is deleted at its user's request (milliseconds). Until then it can sign in
     * only to cancel the deletion.
     */
    deleteAt: number | undefined
    /** Increased at every reset of the credentials. Sessions of a lower generation are refused. */
    generation: number
    /** Milliseconds since the epoch. `updatedAt` also changes with the password. */
    createdAt: number
    updatedAt: number
  }
>

/** Values set from outside. An update keeps fields that are `undefined`; `null` removes them. */
export type AccountInput = { [K in keyof Profile]?: Profile[K] | null } & {
  email: string
  isEmailVerified?: boolean
  isPhoneNumberVerified?: boolean
  roles?: readonly string[]
}

/** A change. Without `email`, the email address stays. */
export type AccountChange = Omit<AccountInput, 'email'> & { email?: string }
