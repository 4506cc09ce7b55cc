/** Where passwords are looked up in known breaches, and what happens while that service does not answer. */
import type { AllowedOrigin } from './config.ts'
import type { Source } from './source.ts'

export type BreachCheck = Readonly<{
  /** Five hexadecimal characters are put behind it. */
  rangeUrl: string
  outage: 'allow' | 'refuse'
}>

const outages = ['allow', 'refuse'] as const

/** Undefined: no service is named, or there is a problem. An address that the guard of outbound requests would refuse is one. */
export function readBreachCheck(source: Source, allowed: readonly AllowedOrigin[]): BreachCheck | undefined {
  const stated = source.stated('BREACH_CHECK_URL')
  const outage = source.choice('BREACH_CHECK_OUTAGE', outages)
  if (stated === undefined) {
    if (source.stated('BREACH_CHECK_OUTAGE')) source.problem('BREACH_CHECK_OUTAGE', 'breach_check_outage_without_url')
    return undefined
  }
  const url = URL.parse(stated)
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    return source.problem('BREACH_CHECK_URL', 'breach_check_url_malformed')
  }
  const isPublic = url.protocol === 'https:' && url.port === ''
  const isNamed = allowed.some(
    ({ protocol, hostname, port }) =>
      protocol === url.protocol && hostname === url.hostname && (port === undefined || port === url.port),
  )
  if (!isPublic && !isNamed) return source.problem('BREACH_CHECK_URL', 'breach_check_url_not_allowed')
  return outage && Object.freeze({ rangeUrl: url.href.replace(/\/*$/, '/'), outage })
}
