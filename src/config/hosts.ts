/**
 * Which hosts are this machine, and which are a private network: only there may a connection be
 * plain text.
 */
import ipaddr from 'ipaddr.js'

const withoutBrackets = (host: string): string => host.replace(/^\[(.*)\]$/, '$1').toLowerCase()

const rangeOf = (host: string): string | undefined => (ipaddr.isValid(host) ? ipaddr.process(host).range() : undefined)

/** True for 127.0.0.0/8, ::1, localhost and *.localhost (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  const name = withoutBrackets(host)
  return name === 'localhost' || name.endsWith('.localhost') || rangeOf(name) === 'loopback'
}

// Names of private networks: without a dot (compose, Kubernetes), .internal (reserved by ICANN in
// 2024), home.arpa (RFC 8375), .local (RFC 6762) and Kubernetes services.
const privateName = /^[^.]+$|\.(internal|local|home\.arpa|svc|svc\.[^.]+\.[^.]+)$/

/**
 * True for private and link-local IP addresses (RFC 1918, RFC 4193), and for names that only
 * resolve on a private network.
 */
export function isPrivate(host: string): boolean {
  const name = withoutBrackets(host)
  const range = rangeOf(name)
  if (range !== undefined) return ['loopback', 'private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'].includes(range)
  return isLoopback(name) || privateName.test(name)
}

/** True for an IP address or a host name that a process may listen on. */
export const isHost = (host: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(host) ||
  ipaddr.IPv6.isValid(host) ||
  (/^(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/.test(host) && !/^[\d.]+$/.test(host))
