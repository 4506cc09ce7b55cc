/** Every page with its data. Texts come from the catalogue; the data is printed escaped. */
import type { ClientView } from '../authentication/interaction.ts'
import type { AccountPages } from './account-pages.ts'
import { accountPages } from './account-pages.ts'
import type { AccountView } from './page-parts.ts'
import type { SignInPages } from './sign-in-pages.ts'
import { signInPages } from './sign-in-pages.ts'

type OtherPages = {
  'dev-mail': Readonly<{
    emails: readonly Readonly<{ to: string; subject: string; text: string; at: string; link?: string }>[]
  }>
  /** `afterSeconds`: the delay before the browser continues by itself; default 0. */
  continue: Readonly<{ url: string; host?: string; afterSeconds?: number }>
  logout: Readonly<{ action: string; xsrf: string; client?: ClientView; account: AccountView }>
  'logged-out': Readonly<{ client?: ClientView; homeUrl?: string; isSignedIn?: boolean }>
  'form-post': Readonly<{ action: string; fields: readonly (readonly [string, string])[] }>
  error: Readonly<{
    status: number
    /** Our code, or an error code of the protocol. */
    code: string
    params?: Readonly<Record<string, string | number>>
    /** Replaces the message of the code. */
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

export type PageLocals = SignInPages & AccountPages & OtherPages

export type PageName = keyof PageLocals

/** The list behind `PageName`: a page that is not listed is not compiled. */
export const pageNames = [
  ...signInPages,
  ...accountPages,
  'dev-mail',
  'continue',
  'logout',
  'logged-out',
  'form-post',
  'error',
  'home',
] as const satisfies readonly PageName[]
