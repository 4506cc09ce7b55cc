/** Checks URIs of a client as written, because the engine compares them as written. */
import type { Problem } from '../problems.ts'

export type UriRules = Readonly<{
  /** Loopback http: RFC 8252 §7.3 for native clients, and for every kind in development. */
  allowsLoopbackHttp: boolean
  /** Reverse-domain private-use schemes (RFC 8252 §7.1). */
  allowsPrivateScheme: boolean
}>

const maximumLength = 2000
const loopbackHosts = ['localhost', '127.0.0.1', '[::1]']
const dangerousSchemes = [
  'javascript:',
  'data:',
  'vbscript:',
  'blob:',
  'file:',
  'about:',
  'view-source:',
  'filesystem:',
]
const reverseDomain = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/

/**
 * Whether a port is written as a plain number: URL parsers read `:` and `:080` as `:80`, but text
 * comparison does not.
 */
export const hasPlainPort = (uri: string): boolean =>
  !/^https?:/i.test(uri) || /^https?:\/\/(\[[^\]/?#]*\]|[^:/?#]*)(:[1-9]\d{0,4})?([/?#]|$)/i.test(uri)

/** Returns the first problem of a URI, or none. */
export function checkUri(uri: unknown, path: string, rules: UriRules): Problem[] {
  const code = refusal(uri, rules)
  return code === undefined ? [] : [{ path, code, params: { uri: shown(uri) } }]
}

function refusal(uri: unknown, rules: UriRules): string | undefined {
  if (typeof uri !== 'string' || uri === '') return 'uri_required'
  if (uri.length > maximumLength) return 'uri_too_long'
  // No control characters, no spaces, and nothing that a browser rewrites: only ASCII is allowed.
  if (!/^[!-~]+$/.test(uri)) return 'uri_character'
  if (uri.includes('\\')) return 'uri_backslash'
  if (uri.includes('*')) return 'uri_wildcard'
  if (uri.includes('#')) return 'uri_fragment'
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(uri)?.[0].toLowerCase()
  if (scheme === undefined || !URL.canParse(uri)) return 'uri_not_absolute'
  if (dangerousSchemes.includes(scheme)) return 'uri_scheme_dangerous'
  const url = new URL(uri)
  if (url.username !== '' || url.password !== '' || /^[^/?]*\/\/[^/?]*@/.test(uri)) return 'uri_userinfo'
  const [beforeQuery = ''] = uri.split('?')
  if (/\.\.|%2e/i.test(beforeQuery) || /\/\.(\/|$)/.test(beforeQuery)) return 'uri_dots'
  return schemeRefusal(scheme, uri, url, rules)
}

function schemeRefusal(scheme: string, uri: string, url: URL, rules: UriRules): string | undefined {
  if (scheme === 'https:' || scheme === 'http:') {
    // Only browsers read `https:host` and `https:///host` as `https://host`.
    if (!/^https?:\/\/[^/?]/i.test(uri)) return 'uri_not_absolute'
    // RFC 3986 §6.2.2.1: in lower case as it is compared. Otherwise it never matches.
    if (!uri.startsWith(`${url.protocol}//${url.hostname}`)) return 'uri_not_canonical'
    if (!hasPlainPort(uri)) return 'uri_port'
  }
  if (scheme === 'https:') return undefined
  if (scheme === 'http:') {
    if (!loopbackHosts.includes(url.hostname)) return 'uri_http'
    return rules.allowsLoopbackHttp ? undefined : 'uri_loopback'
  }
  if (!rules.allowsPrivateScheme) return 'uri_scheme'
  return reverseDomain.test(scheme) && uri.startsWith(scheme) ? undefined : 'uri_scheme_reverse_domain'
}

const shown = (uri: unknown): string => (typeof uri === 'string' ? uri.slice(0, 200) : String(uri))
