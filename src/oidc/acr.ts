/** Authentication context classes (OpenID Connect Core 1.0 §2, acr): their names, their order, and what a request asks of them. */
import type { Level } from '../mfa/proof.ts'

/** From the weakest to the strongest; who reaches one has reached those before it. */
const acrByLevel: Readonly<Record<Level, string>> = {
  password: 'urn:latchkey:acr:password',
  multi_factor: 'urn:latchkey:acr:mfa',
  phishing_resistant: 'urn:latchkey:acr:mfa-phishing-resistant',
}

const levels = Object.keys(acrByLevel) as Level[]
export const acrValues: readonly string[] = levels.map((level) => acrByLevel[level])

export const acrOf = (level: Level): string => acrByLevel[level]
export const levelOfAcr = (acr: unknown): Level | undefined => levels.find((level) => acrByLevel[level] === acr)
const rank = (level: Level): number => levels.indexOf(level)
export const reaches = (level: Level, wanted: Level): boolean => rank(level) >= rank(wanted)

export const multiFactorAcr = acrOf('multi_factor')
/** Whether a login of this class has proven a second factor. */
export const isMultiFactor = (acr: string | undefined): boolean =>
  reaches(levelOfAcr(acr) ?? 'password', 'multi_factor')

/** What an authorization request, and the client's registration, ask of the class of login. */
export type AcrDemand = Readonly<{
  /** The weakest class that satisfies. */
  level: Level
  /** Without it the answer is an error, or no answer (OpenID Connect Core 1.0 §5.5.1.1). */
  isEssential: boolean
  /** Asked for, in the order of preference. */
  values: readonly string[]
  /** Essential values of which none exists here. */
  isUnreachable: boolean
}>

type AcrRequest = { essential?: unknown; value?: unknown; values?: unknown }
type Request = {
  acr?: AcrRequest | null | undefined
  acrValues: readonly string[]
  defaultAcrValues: readonly string[]
}

/**
 * `acr` is the member of the claims parameter (§5.5.1), `acrValues` the parameter, which is voluntary (§3.1.2.1); `defaultAcrValues` is the
 * administrator's word for the client, and more than a default: it must be reached, whatever the request says.
 */
export function demandOf({ acr, acrValues: asked, defaultAcrValues }: Request): AcrDemand {
  const claimed = Array.isArray(acr?.values) ? acr.values : acr?.value === undefined ? [] : [acr.value]
  const isClaimEssential = acr?.essential === true && claimed.length > 0
  const voluntary = isClaimEssential ? [] : [...claimed, ...asked]
  const must = [weakest(isClaimEssential ? claimed : []), weakest(defaultAcrValues)].filter((one) => one !== undefined)
  const isEssential = must.length > 0
  const level = isEssential ? strongest(must) : (weakest(voluntary) ?? 'password')
  return {
    level,
    isEssential,
    values: [...claimed, ...asked, ...defaultAcrValues].filter((one) => typeof one === 'string'),
    isUnreachable: isClaimEssential && weakest(claimed) === undefined,
  }
}

const weakest = (values: readonly unknown[]): Level | undefined =>
  values
    .map(levelOfAcr)
    .filter((level) => level !== undefined)
    .sort((left, right) => rank(left) - rank(right))[0]

const strongest = (found: readonly Level[]): Level =>
  [...found].sort((left, right) => rank(right) - rank(left))[0] ?? 'password'

/** What the token says: the value that was asked for and reached, the most preferred first, else the class itself. */
export const acrFor = (level: Level, { values }: AcrDemand): string =>
  values.find((value) => {
    const wanted = levelOfAcr(value)
    return wanted !== undefined && reaches(level, wanted)
  }) ?? acrOf(level)
