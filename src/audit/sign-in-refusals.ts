/** Why a sign-in was refused. The sign-in page shows less. A released reason keeps its meaning. */
export const signInRefusals = [
  'unknown',
  'no_password',
  'disabled',
  'wrong_password',
  'unverified',
  'breached',
  'breach_unchecked',
  'deletion_pending',
  'captcha',
  'locked',
  'factor',
] as const

export type SignInRefusal = (typeof signInRefusals)[number]
