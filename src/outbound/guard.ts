/**
 * Outbound connections: each name is resolved once, and the connection only uses a checked IP
 * address (docs/decisions/0052).
 */
import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isIP } from 'node:net'
import type { Dispatcher } from 'undici'
import { Agent, buildConnector } from 'undici'
import { OutboundError } from './errors.ts'
import { isPublicIp } from './public-ip.ts'

/** As `dns.lookup` with `all`: every IP address of a name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>

export const resolveBySystem: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true, verbatim: true }, (error, addresses) =>
      error ? reject(error) : resolve(addresses),
    )
  })

type Limits = { connectMs: number; perOrigin: number }

const options = ({ perOrigin }: Limits) => ({
  connections: perOrigin,
  pipelining: 1,
  // A connection is checked only when it is opened, so it is kept only briefly.
  keepAliveTimeout: 1_000,
  keepAliveMaxTimeout: 1_000,
  maxHeaderSize: 16 * 1024,
  allowH2: false,
})

type AddressCheck = (addresses: readonly LookupAddress[]) => boolean

/**
 * Every IP address of a name must be public. A name with a private one is refused, because the
 * lookup for the next connection could give only that one.
 */
const areAllPublic: AddressCheck = (addresses) => addresses.every(({ address: ip }) => isPublicIp(ip))

/** Resolves a name once, to all of its IP addresses, if they are accepted. */
function lookupBy(resolve: Resolve, areAccepted: AddressCheck): LookupFunction {
  return (hostname, { all }, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (!first || !areAccepted(addresses)) callback(new OutboundError('refused'), '', 0)
        else if (all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}

/** Connects only to public IP addresses, and checks the address of the socket again. */
export function createGuardedAgent(resolve: Resolve, limits: Limits): Dispatcher {
  const connect = buildConnector({ timeout: limits.connectMs, lookup: lookupBy(resolve, areAllPublic) })
  return new Agent({
    ...options(limits),
    connect: (target, callback) => {
      const host = target.hostname.replace(/^\[(.*)\]$/, '$1')
      if (isIP(host) && !isPublicIp(host)) return callback(new OutboundError('refused'), null)
      connect(target, (...result) => {
        const [error, socket] = result
        if (error || isPublicIp(socket.remoteAddress)) return callback(...result)
        socket.destroy()
        callback(new OutboundError('refused'), null)
      })
    },
  })
}

/** For the origins that the administrator has allowed: they may have any IP address. */
export function createOpenAgent(resolve: Resolve, limits: Limits): Dispatcher {
  return new Agent({
    ...options(limits),
    connect: { timeout: limits.connectMs, lookup: lookupBy(resolve, () => true) },
  })
}
