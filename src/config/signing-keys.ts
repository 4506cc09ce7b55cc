/** The signing algorithms, and how long a key is announced, active and published. */
import type { Config } from './config.ts'
import type { Source } from './source.ts'

const knownAlgorithms = ['RS256', 'ES256', 'EdDSA', 'PS256', 'ES384', 'ES512'] as const

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/**
 * The maximum delay before other processes learn of a change of the ring: longer than the lease of
 * `keys/key-ring.ts`.
 */
const delayMs = 60_000

/** Every contradiction is a separate problem. */
export function readSigningKeys(source: Source): Config['signingKeys'] | undefined {
  const algorithms = readAlgorithms(source)
  const activeDays = source.integer('KEY_ACTIVE_DAYS', { min: 1, max: 3650 })
  const announceHours = source.integer('KEY_ANNOUNCE_HOURS', { min: 1, max: 8760 })
  // At least a day, the longest lifetime of an access token.
  const hintDays = source.integer('ID_TOKEN_HINT_DAYS', { min: 1, max: 3650 })
  const jwksCacheSeconds = source.integer('JWKS_CACHE_SECONDS', { min: 0, max: 86_400 })
  if (announceHours !== undefined && jwksCacheSeconds !== undefined) {
    const most = (announceHours * hourMs - delayMs) / 1000
    if (jwksCacheSeconds > most) source.problem('JWKS_CACHE_SECONDS', 'jwks_cache_too_long', { announceHours, most })
  }
  if (announceHours !== undefined && activeDays !== undefined && announceHours >= activeDays * 24) {
    source.problem('KEY_ANNOUNCE_HOURS', 'key_announced_too_long', { activeDays, most: activeDays * 24 - 1 })
  }
  if (!algorithms || !activeDays || !announceHours || !hintDays || jwksCacheSeconds === undefined) return undefined
  return Object.freeze({
    algorithms,
    times: Object.freeze({
      announcedMs: announceHours * hourMs,
      activeMs: activeDays * dayMs,
      // A process that has not learned of the retirement yet signs a little longer.
      retiredMs: hintDays * dayMs + delayMs,
    }),
    minAnnouncedMs: jwksCacheSeconds * 1000 + delayMs,
    jwksCacheSeconds,
  })
}

function readAlgorithms(source: Source): Config['signingKeys']['algorithms'] | undefined {
  const entries = (source.text('SIGNING_ALGORITHMS') ?? '').split(',').map((entry) => entry.trim())
  const stated = [...new Set(entries.filter((entry) => entry !== ''))]
  const known = knownAlgorithms.filter((algorithm) => stated.includes(algorithm))
  const unknown = stated.filter((entry) => !known.some((algorithm) => algorithm === entry))
  for (const entry of unknown) {
    source.problem('SIGNING_ALGORITHMS', 'signing_algorithm_unknown', { entry, known: knownAlgorithms.join(', ') })
  }
  // OpenID Connect Discovery 1.0 §3: RS256 is the algorithm of every client that names none.
  if (!known.includes('RS256')) source.problem('SIGNING_ALGORITHMS', 'signing_algorithms_without_rs256')
  return unknown.length === 0 && known.includes('RS256') ? Object.freeze(known) : undefined
}
