/** The common frame of every account page, and the caller of its forms. */
import type { Context } from 'koa'
import type { Visit } from '../access/access.ts'
import { atMinute } from '../clock.ts'
import type { FrameOf } from '../http/account-pages.ts'
import type { Caller, CallerBrowser } from './service.ts'

export const frameOf: FrameOf = ({ account, factorReset }, here) => ({
  here,
  account: { email: account.email, ...(account.name !== undefined && { name: account.name }) },
  ...(account.deleteAt !== undefined && { deletionDate: new Date(account.deleteAt).toISOString().slice(0, 10) }),
  ...(factorReset && { factorReset: { at: atMinute(factorReset.requestedAt), due: atMinute(factorReset.dueAt) } }),
})

/** The proof of a form: the typed password, or the factor of a recent login. */
const proofOf = ({ amr, authTimeMs }: Visit, currentPassword: string) =>
  currentPassword === '' && amr.includes('mfa') ? { factorProvenAtMs: authTimeMs } : { password: currentPassword }

export type CallerOf = (ctx: Context, visit: Visit, currentPassword: string) => Caller

/** Makes the caller of an account form. `browserOf` reads the cookies of a known browser. */
export const createCallerOf =
  (browserOf: (ctx: Context) => CallerBrowser): CallerOf =>
  (ctx, visit, currentPassword) => ({
    accountId: visit.account.id,
    proof: proofOf(visit, currentPassword),
    session: visit.session,
    browser: browserOf(ctx),
    origin: visit.origin,
  })
