/** What an account is: the record, its profile claims in the names of OpenID Connect, and the one form of an e-mail address. */

/** The OpenID Connect address claim (Core §5.1.1), with its own names. */
export type Address = Partial<
  Record<'formatted' | 'street_address' | 'locality' | 'region' | 'postal_code' | 'country', string>
>

export type Profile = {
  name?: string
  givenName?: string
  familyName?: string
  middleName?: string
  nickname?: string
  preferredUsername?: string
  profile?: string
  picture?: string
  website?: string
  gender?: string
  birthdate?: string
  zoneinfo?: string
  locale?: string
  phoneNumber?: string
  address?: Address
}

export type Account = Readonly<
  Profile & {
    /** The `sub` of tokens: a random UUID, never reused, never an e-mail address. */
    id: string
    /** As it was typed, trimmed; `normaliseEmail` gives what lookups and counters use. */
    email: string
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

/**
 * The canonical identifier: trimmed, NFC, lower case. Lookup, uniqueness, throttling and the audit trail all use this one form,
 * so that `Alice@Example.com ` is one person with one counter.
 */
export const normaliseEmail = (email: string): string => email.trim().normalize('NFC').toLowerCase().normalize('NFC')
