/** A client cannot choose its own IP address or the server's host name. */
import { request as httpRequest } from 'node:http'
import { clientIp, countedIp, countedNetwork, createIpOf, prefixesOf } from '../../src/http/ip.ts'
import type { TestServer } from './support.ts'
import { startTestServer } from './support.ts'

const issuer = 'https://login.example.com'
const servers: TestServer[] = []
afterAll(() => Promise.all(servers.map((server) => server.close())))

async function start(trustProxy: readonly string[]): Promise<TestServer> {
  const server = await startTestServer({
    issuer,
    trustProxy,
    engine: [
      async (ctx) => {
        const { host, hostname, protocol, secure, ip, path } = ctx
        ctx.body = {
          host,
          hostname,
          protocol,
          secure,
          ip,
          path,
          href: ctx.href,
          origin: new URL('/token', ctx.href).href,
          header: ctx.get('Host'),
        }
      },
    ],
  })
  servers.push(server)
  return server
}

async function ipSeen(trustProxy: readonly string[], forwardedFor?: string | string[]): Promise<string> {
  const { port } = await start(trustProxy)
  const headers = forwardedFor === undefined ? {} : { 'X-Forwarded-For': forwardedFor }
  const body = await new Promise<string>((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, headers }, async (answer) => {
      const chunks = await answer.toArray()
      resolve(Buffer.concat(chunks).toString())
    })
    sent.on('error', reject).end()
  })
  return (JSON.parse(body) as { ip: string }).ip
}

const cases: [what: string, trustProxy: string[], forwardedFor: string | string[] | undefined, address: string][] = [
  ['without a proxy it is the connection', [], undefined, '127.0.0.1'],
  ['without a configured proxy X-Forwarded-For is ignored', [], '203.0.113.7', '127.0.0.1'],
  ['a proxy that is not configured is not believed', ['10.0.0.0/8'], '203.0.113.7', '127.0.0.1'],
  ['a configured proxy is believed', ['127.0.0.1'], '203.0.113.7', '203.0.113.7'],
  ['what the client itself put in front is not', ['127.0.0.1'], '198.51.100.1, 203.0.113.7', '203.0.113.7'],
  [
    'a chain is walked while each hop is configured',
    ['127.0.0.1', '10.0.0.0/8'],
    '198.51.100.1, 203.0.113.7, 10.1.2.3',
    '203.0.113.7',
  ],
  ['two headers are one chain', ['127.0.0.1', '10.0.0.0/8'], ['203.0.113.7', '10.1.2.3'], '203.0.113.7'],
  ['a chain of proxies alone ends at the last', ['127.0.0.1', '10.0.0.0/8'], '10.9.9.9, 10.1.2.3', '10.9.9.9'],
  ['an entry that is no address ends the walk', ['127.0.0.1'], '<script>', '127.0.0.1'],
  ['nothing beyond it counts', ['127.0.0.1', '10.0.0.0/8'], '203.0.113.7, garbage, 10.1.2.3', '10.1.2.3'],
  [
    'an empty entry is nothing (RFC 9110 §5.6.1)',
    ['127.0.0.1', '203.0.113.0/24'],
    '198.51.100.1,,203.0.113.7',
    '198.51.100.1',
  ],
  ['IPv6 is taken', ['127.0.0.1'], '2001:DB8::7', '2001:db8::7'],
  ['IPv4 inside IPv6 is IPv4', ['127.0.0.1'], '::ffff:203.0.113.7', '203.0.113.7'],
  ['IPv4 inside IPv6 is IPv4 in hexadecimal', ['127.0.0.1'], '::FFFF:cb00:7107', '203.0.113.7'],
  ['IPv4 inside IPv6 is IPv4 written out', ['127.0.0.1'], '0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
  ['IPv4 mapped into IPv6 is IPv4 with a zone', ['127.0.0.1'], '::ffff:203.0.113.7%eth0', '203.0.113.7'],
  ['IPv4 translated to IPv6 is IPv4 (RFC 6052 §2.1)', ['127.0.0.1'], '64:FF9B::203.0.113.7', '203.0.113.7'],
  ['a port is left out', ['127.0.0.1'], '203.0.113.7:5123', '203.0.113.7'],
  ['a port after IPv6 is left out', ['127.0.0.1'], '[2001:db8::7]:5123', '2001:db8::7'],
]

test.each(cases)('%s', async (_what, trustProxy, forwardedFor, ip) => {
  expect(await ipSeen(trustProxy, forwardedFor)).toBe(ip)
})

const targets: [what: string, request: string][] = [
  ['a forged Host', 'GET /x?y=1 HTTP/1.1\r\nHost: evil.example\r\n'],
  [
    'forged forwarding headers',
    'GET /x?y=1 HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\nForwarded: host=evil.example\r\n',
  ],
  ['an absolute target (RFC 9112 §3.2.2)', 'GET http://evil.example/x?y=1 HTTP/1.1\r\nHost: evil.example\r\n'],
  ['an absolute target with credentials', 'GET https://a:b@evil.example:99/x?y=1 HTTP/1.1\r\nHost: evil.example\r\n'],
]

test.each(targets)('%s changes no URL: everything is built from the issuer', async (_what, request) => {
  const server = await start(['127.0.0.1'])
  const answer = await server.sendRaw(`${request}Connection: close\r\n\r\n`)
  expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toEqual({
    host: 'login.example.com',
    hostname: 'login.example.com',
    protocol: 'https',
    secure: true,
    ip: '127.0.0.1',
    path: '/x',
    href: `${issuer}/x?y=1`,
    origin: `${issuer}/token`,
    header: 'login.example.com',
  })
})

test('a path that starts with two slashes is a path, not a host', async () => {
  const server = await start([])
  const answer = await server.sendRaw('GET //evil.example/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
    origin: `${issuer}/token`,
    host: 'login.example.com',
  })
})

test('failures and requests are counted by IPv4 address and /24, and by the /64 of IPv6', () => {
  expect(prefixesOf('192.0.2.7')).toEqual(['192.0.2.7/32', '192.0.2.0/24'])
  expect(prefixesOf('2001:db8::1')).toEqual(prefixesOf('2001:db8:0:0:ffff::2'))
  expect(prefixesOf('::ffff:c000:207')).toEqual(prefixesOf('192.0.2.7'))
  expect(prefixesOf('2001:db8::1')[1]).toBe(prefixesOf('2001:db8:0:1::1')[1])
  expect([countedNetwork('2001:db8::1'), countedNetwork('192.0.2.7')]).toEqual(['20010db80000/48', undefined])
  expect(prefixesOf('2001:db8::1')).not.toEqual(prefixesOf('2001:db8:0:1::1'))
  expect(countedIp('192.0.2.7')).toBe('192.0.2.7/32')
  expect(countedIp('')).toBe('')
})

test.each([
  '::ffff:1.2.3.4',
  '::ffff:0102:0304',
  '::FFFF:102:304',
  '0:0:0:0:0:FFFF:1.2.3.4',
  '0000:0000:0000:0000:0000:ffff:0102:0304',
  '::ffff:1.2.3.4%eth0',
  '64:ff9b::1.2.3.4',
  '64:FF9B::102:304',
  '0064:ff9b:0:0:0:0:0102:0304',
  '64:ff9b::102:304%2',
  '::ffff:0:1.2.3.4',
  '::1.2.3.4',
])('%s has the limiter key of 1.2.3.4', (spelling) => {
  expect(prefixesOf(spelling)).toEqual(prefixesOf('1.2.3.4'))
  expect([countedIp(spelling), countedNetwork(spelling)]).toEqual(['1.2.3.4/32', undefined])
})

test.each(['::1', '::', '2001:db8::102:304', '64:ff9c::102:304', '64:ff9b:1::102:304', '::fffe:102:304'])(
  '%s is not read as an IPv4 address',
  (ip) => expect(countedIp(ip)).toMatch(/\/64$/),
)

test('a peer that sends X-Forwarded-For without being a configured proxy is reported, and no other', async () => {
  const noted = async (trustProxy: readonly string[], forwardedFor?: string) => {
    const peers: string[] = []
    const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }
    const socket = { remoteAddress: '::ffff:10.0.0.7' }
    const req = { socket, connection: socket, headers }
    const ctx = { req, request: {} } as never
    await clientIp(createIpOf(trustProxy, (peer) => void peers.push(peer)))(ctx, async () => {})
    return peers
  }
  expect(await noted([], '203.0.113.7')).toEqual(['10.0.0.7'])
  expect(await noted(['10.9.0.0/16'], '203.0.113.7')).toEqual(['10.0.0.7'])
  expect(await noted(['10.0.0.0/8'], '198.51.100.1, 203.0.113.7')).toEqual([])
  expect([await noted([]), await noted(['10.9.0.0/16'])]).toEqual([[], []])
})
