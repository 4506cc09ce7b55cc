/** The pages of a user's own account, and their frame. */
import type { Visit } from '../access/access.ts'
import type { AccountView, FactorView, FieldProblems } from './page-parts.ts'

/** The frame of each page of a user's own account. */
export type AccountFrame = Readonly<{
  here: 'overview' | 'profile' | 'email' | 'password' | 'factors' | 'sessions' | 'applications' | 'events' | 'data'
  account: AccountView
  /** The day of the deletion that the user has requested. */
  deletionDate?: string
  /**
   * A requested reset of the second factors: when it was requested, and when its link becomes
   * valid.
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
      /** One section for each factor. */
      sections: readonly FactorView[]
      /** Methods that are locked after too many wrong answers. */
      disabled: readonly string[]
      error?: string
      hasFactor: boolean
      rememberedBrowsers: number
      isFactorRequired: boolean
    }>
  /** Setup of a factor that has its own page. */
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
        geolocation: string | undefined
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
