/** The pages of an account's owner, and the frame around each of them. */
import type { Visit } from '../access/access.ts'
import type { AccountView, FactorView, FieldProblems } from './page-parts.ts'

/** What stands around each page of a person's own account. */
export type AccountFrame = Readonly<{
  here: 'overview' | 'profile' | 'email' | 'password' | 'factors' | 'sessions' | 'applications' | 'events' | 'data'
  account: AccountView
  /** The day on which the account goes, when its person has asked for it. */
  deletionDate?: string
  /**
   * A reset of the second factors that was asked for: when, and from when on a link carries it out.
   */
  factorReset?: Readonly<{ at: string; due: string }>
}>

export type FrameOf = (visit: Visit, here: AccountFrame['here']) => AccountFrame

export type AccountPages = {
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
}

export const accountPages = [
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
] as const satisfies readonly (keyof AccountPages)[]
