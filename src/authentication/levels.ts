/** Classes of a login by strength: their order, and what a request demands of them. */

/** From the weakest to the strongest. */
export const levels = ['password', 'multi_factor', 'phishing_resistant'] as const
export type Level = (typeof levels)[number]

export const isAtLeast = (level: Level, wanted: Level): boolean => levels.indexOf(level) >= levels.indexOf(wanted)

export const strongest = (...given: readonly Level[]): Level =>
  levels[Math.max(0, ...given.map((level) => levels.indexOf(level)))] ?? 'password'

/** What an authorization request, and the client's registration, demand of the class of login. */
export type AcrDemand = Readonly<{
  /** The weakest class that satisfies. */
  level: Level
  /** Without it the answer is an error, or no answer (OpenID Connect Core 1.0 §5.5.1.1). */
  isEssential: boolean
  /** Requested, in the order of preference. */
  values: readonly string[]
  /** Essential values of which none exists here. */
  isUnreachable: boolean
}>
