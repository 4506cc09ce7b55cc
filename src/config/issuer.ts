/**
 * The issuer identifier: its form (RFC 8414 §2, OpenID Connect Discovery 1.0 §3), and an error code
 * for each mistake.
 */
import { isLoopback } from './hosts.ts'
import type { Source } from './source.ts'

/**
 * ISSUER, or `http://localhost:<port>` in development. Clients compare it character by character
 * (RFC 9207 §2.4), so only the canonical form is accepted. Plain http is for loopback hosts outside
 * production. Undefined after a problem.
 */
export function readIssuer(source: Source, port: number): string | undefined {
  const isProduction = source.environment === 'production'
  const issuer = source.stated('ISSUER')
  if (!issuer) return isProduction ? source.problem('ISSUER', 'issuer_missing') : `http://localhost:${port}`

  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  if (!url?.hostname) return source.problem('ISSUER', 'issuer_not_url')

  const before = source.problems.length
  const mayBeHttp = !isProduction && isLoopback(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && mayBeHttp)) {
    source.problem('ISSUER', 'issuer_not_https', { scheme: url.protocol.slice(0, -1) })
  }
  if (url.username || url.password) source.problem('ISSUER', 'issuer_has_credentials')
  if (issuer.includes('?')) source.problem('ISSUER', 'issuer_has_query')
  if (issuer.includes('#')) source.problem('ISSUER', 'issuer_has_fragment')
  if (url.pathname !== '/') source.problem('ISSUER', 'issuer_has_path', { path: url.pathname })
  else if (/^[^?#]*[^/:]\/+([?#]|$)/.test(issuer)) source.problem('ISSUER', 'issuer_has_trailing_slash')
  if (source.problems.length > before) return undefined

  if (issuer !== url.origin) return source.problem('ISSUER', 'issuer_not_canonical', { canonical: url.origin })
  return issuer
}
