/** What an account is: the record, and its profile claims in the names of OpenID Connect. */
import type { addressClaims } from './field-checks.ts'
import type { FieldName } from './fields.ts'

/** The OpenID Connect address claim (Core §5.1.1), with its own names. */
export type PostalAddress = Partial<Record<(typeof addressClaims)[number], string>>

export type Profile = { [K in Exclude<FieldName, 'address'>]?: string } & { address?: PostalAddress }

/** `duplicate`: another account has the mailbox. `invalid`: the address names none. */
export type EmailProblem = 'duplicate' | 'invalid'

export type Account = Readonly<
  Profile & {
    /** The `sub` of tokens: a random UUID, never reused, never an email address. */
    id: string
    /** As people see it; `normaliseEmail` gives what lookups and counters use. */
    email: string
    /** Why the address finds no account; undefined when it finds this one. */
    emailProblem: EmailProblem | undefined
    isEmailVerified: boolean
    isPhoneNumberVerified: boolean
    roles: readonly string[]
    passwordHash: string | undefined
    isDisabled: boolean
    /** An operator's word: nobody signs in here without a second factor. */
    isFactorRequired: boolean
    /** When the account goes, because its person has asked for it (milliseconds). Until then nobody but them comes in, to keep it. */
    deleteAt: number | undefined
    /** Raised whenever the credentials are reset: what began under a lower one is refused. */
    generation: number
    /** Milliseconds since the epoch; `updatedAt` also when only the password changed. */
    createdAt: number
    updatedAt: number
  }
>

/** What is set from outside. A field that is `undefined` is left as it is by an update; `null` takes it away. */
export type AccountInput = { [K in keyof Profile]?: Profile[K] | null } & {
  email: string
  isEmailVerified?: boolean
  isPhoneNumberVerified?: boolean
  roles?: readonly string[]
}

/** A change: an email address that it does not name stays. */
export type AccountChange = Omit<AccountInput, 'email'> & { email?: string }
