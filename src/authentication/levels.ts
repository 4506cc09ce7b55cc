/** The classes of a sign-in by strength: their order, and what a request demands. */

/** From the weakest to the strongest. */
export const levels = ['password', 'multi_factor', 'phishing_resistant'] as const
export type Level = (typeof levels)[number]

export const isAtLeast = (level: Level, wanted: Level): boolean => levels.indexOf(level) >= levels.indexOf(wanted)

export const strongest = (...given: readonly Level[]): Level =>
  levels[Math.max(0, ...given.map((level) => levels.indexOf(level)))] ?? 'password'

/** The class of sign-in that the authorization request and the client's registration demand. */
export type AcrDemand = Readonly<{
  /** The weakest class that satisfies the demand. */
  level: Level
  /** Without it the answer must be an error or absent (OpenID Connect Core 1.0 §5.5.1.1). */
  isEssential: boolean
  /** The requested values, in the order of preference. */
  values: readonly string[]
  /** The request has essential values, but none of them exists here. */
  isUnreachable: boolean
}>
