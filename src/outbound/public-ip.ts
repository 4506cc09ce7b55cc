/**
 * Which IP addresses are on the public internet: all others are private networks, perhaps our own.
 */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Whether `ip` (as a socket or a resolver spells it) is public. Not public: private, loopback,
 * link-local (cloud metadata), CGNAT, multicast, documentation, invalid text, and IPv6 that carries
 * IPv4: mapped, compatible, NAT64, 6to4, Teredo (RFC 6890, RFC 8190, the IANA registries).
 */
export function isPublicIp(ip: string | undefined): boolean {
  if (ip === undefined || !isIP(ip)) return false
  const parsed = ipaddr.parse(ip)
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' || (parsed as ipaddr.IPv6).match(globalUnicast)
}
