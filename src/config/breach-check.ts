/** The service that knows breached passwords, and what happens while it does not answer. */
import type { AllowedOrigin } from './config.ts'
import type { Source } from './source.ts'

export type BreachCheck = Readonly<{
  /** The first five hexadecimal characters of the password's hash are appended to it. */
  rangeUrl: string
  outage: 'allow' | 'refuse'
}>

const outages = ['allow', 'refuse'] as const

/**
 * Undefined: no service is configured, or there is a problem, for example an address that the
 * outbound guard refuses.
 */
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
