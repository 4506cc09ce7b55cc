/** What has been proven in a login, how strong that is, and what it is called (RFC 8176). */

export const methodIds = ['totp', 'recovery_code', 'passkey'] as const
export type MethodId = (typeof methodIds)[number]
export type Proof = 'password' | MethodId

/** From the weakest to the strongest. */
export const levels = ['password', 'multi_factor', 'phishing_resistant'] as const
export type Level = (typeof levels)[number]

export const isAtLeast = (level: Level, wanted: Level): boolean => levels.indexOf(level) >= levels.indexOf(wanted)

export const strongest = (...given: readonly Level[]): Level =>
  levels[Math.max(0, ...given.map((level) => levels.indexOf(level)))] ?? 'password'

/** A passkey is two factors in one: the device, and what unlocks it (user verification is always required). */
export function levelOf(proven: readonly Proof[]): Level {
  if (proven.includes('passkey')) return 'phishing_resistant'
  return proven.includes('password') && proven.length > 1 ? 'multi_factor' : 'password'
}

const references: Readonly<Record<Proof, readonly string[]>> = {
  password: ['pwd'],
  totp: ['otp'],
  recovery_code: ['otp'],
  // Proof of possession of a key, and a person who was present; whether the key is in hardware is not known.
  passkey: ['pop', 'user'],
}

/** Authentication method references (RFC 8176 §2). */
export function amrOf(proven: readonly Proof[]): string[] {
  const own = proven.flatMap((proof) => references[proof])
  return [...new Set([...own, ...(levelOf(proven) === 'password' ? [] : ['mfa'])])]
}
