/**
 * Authentication context classes (OpenID Connect Core 1.0 §2, acr): names, order, and what a
 * request demands.
 */
import type { AcrDemand, Level } from '../authentication/levels.ts'
import { isAtLeast, levels, strongest } from '../authentication/levels.ts'

const acrByLevel: Readonly<Record<Level, string>> = {
  password: 'urn:latchkey:acr:password',
  multi_factor: 'urn:latchkey:acr:mfa',
  phishing_resistant: 'urn:latchkey:acr:mfa-phishing-resistant',
}

export const acrValues: readonly string[] = levels.map((level) => acrByLevel[level])

export const acrOf = (level: Level): string => acrByLevel[level]
export const levelOfAcr = (acr: unknown): Level | undefined => levels.find((level) => acrByLevel[level] === acr)
export const reaches = isAtLeast

export const multiFactorAcr = acrOf('multi_factor')
/** Whether a sign-in of this class has proven a second factor. */
export const isMultiFactor = (acr: string | undefined): boolean =>
  reaches(levelOfAcr(acr) ?? 'password', 'multi_factor')

type AcrRequest = { essential?: unknown; value?: unknown; values?: unknown }
type Request = {
  acr?: AcrRequest | null | undefined
  acrValues: readonly string[]
  defaultAcrValues: readonly string[]
}

/**
 * `acr` is the member of the claims parameter (§5.5.1); `acrValues` is the voluntary parameter
 * (§3.1.2.1).
 * `defaultAcrValues` is set by the administrator for the client. It must be reached in every case.
 */
export function demandOf({ acr, acrValues: requested, defaultAcrValues }: Request): AcrDemand {
  const claimed = Array.isArray(acr?.values) ? acr.values : acr?.value === undefined ? [] : [acr.value]
  const isClaimEssential = acr?.essential === true && claimed.length > 0
  const voluntary = isClaimEssential ? [] : [...claimed, ...requested]
  const must = [weakest(isClaimEssential ? claimed : []), weakest(defaultAcrValues)].filter((one) => one !== undefined)
  const isEssential = must.length > 0
  const level = isEssential ? strongest(...must) : (weakest(voluntary) ?? 'password')
  return {
    level,
    isEssential,
    values: [...claimed, ...requested, ...defaultAcrValues].filter((one) => typeof one === 'string'),
    isUnreachable: isClaimEssential && weakest(claimed) === undefined,
  }
}

const weakest = (values: readonly unknown[]): Level | undefined =>
  values
    .map(levelOfAcr)
    .filter((level) => level !== undefined)
    .sort((left, right) => levels.indexOf(left) - levels.indexOf(right))[0]

/**
 * The `acr` of the token: the most preferred requested value that was reached, or the class itself.
 */
export const acrFor = (level: Level, { values }: AcrDemand): string =>
  values.find((value) => {
    const wanted = levelOfAcr(value)
    return wanted !== undefined && reaches(level, wanted)
  }) ?? acrOf(level)
