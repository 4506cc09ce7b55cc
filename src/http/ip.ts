/**
 * The IP address of the client, found through the configured proxies; host and scheme are those of
 * the issuer.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import type Koa from 'koa'
import type { Context, Middleware, Next } from 'koa'
import proxyAddr from 'proxy-addr'
import { requestMalformed } from './errors.ts'

/**
 * Gives the IP address of the client. Without `trustProxy` it is the connection's. X-Forwarded-For
 * is read backwards from the nearest hop, while each hop is one of `trustProxy` (IP addresses or
 * CIDR ranges); an invalid entry ends the search.
 * `noteUntrusted` receives a peer that sends the header and is not in `trustProxy`: perhaps a
 * forgotten proxy.
 */
export function createIpOf(
  trustProxy: readonly string[],
  noteUntrusted: (peer: string) => void = () => {},
): (request: IncomingMessage) => string {
  if (trustProxy.length === 0) {
    // A connection keeps its IP address and carries many requests.
    const known = new WeakMap<Socket, string>()
    return ({ socket, headers }) => {
      let ip = known.get(socket)
      if (ip === undefined) {
        ip = countedSpelling(plainIp(socket.remoteAddress) ?? '')
        known.set(socket, ip)
      }
      if (headers['x-forwarded-for']) noteUntrusted(ip)
      return ip
    }
  }
  const trusts = proxyAddr.compile([...trustProxy])
  return (request) => {
    let ip = ''
    for (const [hop, candidate] of proxyAddr.all(request).entries()) {
      const plain = plainIp(candidate)
      if (!plain) break
      ip = plain
      if (trusts(plain, hop)) continue
      if (hop === 0 && request.headers['x-forwarded-for']) noteUntrusted(plain)
      break
    }
    return countedSpelling(ip)
  }
}

/** Sets `ctx.ip` to the client's IP address. */
export const clientIp =
  (ipOf: (request: IncomingMessage) => string): Middleware =>
  (ctx, next) => {
    ctx.request.ip = ipOf(ctx.req)
    return next()
  }

// RFC 4291 §2.5.5, RFC 6052 §2.1, RFC 2765 §2.1: the last 32 bits are an IPv4 address.
const ipv4Prefixes = [
  '00000000000000000000ffff',
  '000000000000000000000000',
  '0064ff9b0000000000000000',
  '0000000000000000ffff0000',
]

/**
 * An IPv4 address inside IPv6 gives four bytes, so that both spellings of one client count
 * together.
 */
function bytesOf(ip: string): number[] {
  const bytes = ipaddr.process(ip).toByteArray()
  const isInside = bytes.length === 16 && ipv4Prefixes.includes(Buffer.from(bytes.slice(0, 12)).toString('hex'))
  // 0.0.0.0/8 belongs to no client: `::1` is the loopback address of IPv6 (RFC 4291 §2.5.3).
  return isInside && bytes[12] !== 0 ? bytes.slice(12) : bytes
}

function countedSpelling(ip: string): string {
  if (!ip.includes(':')) return ip
  const bytes = bytesOf(ip)
  return bytes.length === 4 ? bytes.join('.') : ip
}

/**
 * One spelling of each IP address: no port, no zone, mapped IPv4 as IPv4. Undefined for invalid
 * text.
 */
export function plainIp(text: string | undefined): string | undefined {
  const bare = (text ?? '')
    .trim()
    .replace(/^\[(.*)\](?::\d+)?$/, '$1')
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
  const ip = bare.replace(/%.*/, '')
  // Only addresses that Node accepts: the parser would also accept 0x7f.1 and 10.1.
  if (!isIP(ip)) return undefined
  return isIP(ip) === 6 ? ipaddr.process(ip).toString() : ip
}

/**
 * Headers that may occur once (RFC 9110 §5.3): Node keeps the first, and a proxy may have read the
 * last.
 */
const singleHeaders: ReadonlySet<string> = new Set(['host', 'authorization', 'content-type'])

/**
 * Refuses a request that repeats its host, credential or media type (RFC 9112 §3.2).
 * @throws request_malformed (400)
 */
export async function refuseRepeatedHeaders(ctx: Context, next: Next): Promise<void> {
  const { rawHeaders } = ctx.req
  const seen = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase()
    if (!singleHeaders.has(name)) continue
    if (seen.has(name)) throw requestMalformed()
    seen.add(name)
  }
  await next()
}

const forwardedHeaders = ['forwarded', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port'] as const

/**
 * Makes every URL that `app` builds a URL of the issuer, because the client chooses Host,
 * X-Forwarded-* and an absolute request target (RFC 9112 §3.2.2). Runs before everything, also the
 * engine.
 */
export function pinToIssuer(app: Koa, issuer: string): void {
  const { host, hostname, protocol } = new URL(issuer)
  const isSecure = protocol === 'https:'
  // Once, on the prototype of the application's requests: on each request it would slow down all
  // properties.
  Object.defineProperties(app.request, {
    host: { get: () => host },
    hostname: { get: () => hostname },
    protocol: { get: () => protocol.slice(0, -1) },
    secure: { get: () => isSecure },
  })
  app.use((ctx, next) => {
    ctx.req.headers.host = host
    for (const name of forwardedHeaders) if (ctx.req.headers[name] !== undefined) delete ctx.req.headers[name]
    setTarget(ctx, ctx.req.url ?? '/')
    return next()
  })
}

function setTarget(ctx: Context, url: string): void {
  if (url.startsWith('/')) return
  const path = url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '')
  const target = path.startsWith('/') ? path : `/${path}`
  ctx.req.url = target
  ctx.originalUrl = target
  ctx.request.originalUrl = target
}

const prefixCache = new Map<string, readonly string[]>()
const cachedIps = 10_000

/**
 * The networks by which failures are counted: an IPv4 address and its /24, an IPv6 /64 and its /48,
 * which one site has.
 */
export function prefixesOf(ip: string): readonly string[] {
  const cached = prefixCache.get(ip)
  if (cached) return cached
  // Many requests come from one IP address, and parsing takes longer than the rest of a count.
  if (prefixCache.size >= cachedIps) prefixCache.clear()
  const prefixes = readPrefixes(ip)
  prefixCache.set(ip, prefixes)
  return prefixes
}

function readPrefixes(ip: string): readonly string[] {
  if (!ipaddr.isValid(ip)) return [ip]
  const bytes = bytesOf(ip)
  if (bytes.length === 4) return [`${bytes.join('.')}/32`, `${bytes.slice(0, 3).join('.')}.0/24`]
  const hex = Buffer.from(bytes).toString('hex')
  return [`${hex.slice(0, 16)}/64`, `${hex.slice(0, 12)}/48`]
}

/** The same networks as an operator reads them (`2001:db8::/48`). Counts use `prefixesOf`. */
export const networksOf = (ip: string): readonly string[] =>
  prefixesOf(ip).map((prefix) => {
    const [hex = '', length] = prefix.split('/')
    if (prefix.includes('.') || length === undefined) return prefix
    return `${ipaddr.fromByteArray([...Buffer.from(hex.padEnd(32, '0'), 'hex')]).toString()}/${length}`
  })

/**
 * The part of an IP address by which requests are counted: the whole IPv4 address, or the /64 of
 * IPv6, which one site has.
 */
export const countedIp = (ip: string): string => prefixesOf(ip)[0] ?? ip

/**
 * The wider network that is counted too: the /48 of IPv6, in which one customer can use 65536
 * networks.
 */
export const countedNetwork = (ip: string): string | undefined =>
  ip.includes(':') ? prefixesOf(ip).find((prefix) => prefix.endsWith('/48')) : undefined
