/** What every page of the account shows around its own content. */
import type { AccountFrame } from '../http/pages.ts'
import type { AccountVisit } from './door.ts'

export type FrameOf = (visit: AccountVisit, here: AccountFrame['here']) => AccountFrame

export const frameOf: FrameOf = ({ account }, here) => ({
  here,
  account: { email: account.email, ...(account.name !== undefined && { name: account.name }) },
  ...(account.deleteAt !== undefined && { leavingOn: new Date(account.deleteAt).toISOString().slice(0, 10) }),
})

/** The proof that a form brings: the password that was typed, or the factor of a fresh login, which the door has let in. */
export const proofOf = ({ amr, authTimeMs }: AccountVisit, currentPassword: string) =>
  currentPassword === '' && amr.includes('mfa') ? { factorProvenAtMs: authTimeMs } : { password: currentPassword }
