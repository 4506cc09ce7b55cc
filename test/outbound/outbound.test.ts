/** The guarded fetch against hostile names and hostile servers on this machine. */
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { createMetrics } from '../../src/metrics.ts'
import { OutboundError } from '../../src/outbound/errors.ts'
import type { Resolve } from '../../src/outbound/guard.ts'
import { isPublicIp } from '../../src/outbound/public-ip.ts'
import type { Outbound } from '../../src/outbound/service.ts'
import { createOutbound } from '../../src/outbound/service.ts'

const open: { outbounds: Outbound[]; servers: Server[] } = { outbounds: [], servers: [] }
afterEach(async () => {
  await Promise.all(open.outbounds.splice(0).map((outbound) => outbound.close()))
  for (const server of open.servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

type Options = { resolve?: Resolve; timeoutMs?: number; ports?: readonly number[] }

/** A guard that permits `http://localhost:<port>` for each of `ports`. */
async function createGuard({ ports = [], ...options }: Options = {}): Promise<Outbound> {
  const allowed = ports.map((port) => ({ protocol: 'http:', hostname: 'localhost', port: String(port) }))
  const outbound = await createOutbound({ allowed, metrics: createMetrics(), ...options })
  open.outbounds.push(outbound)
  return outbound
}

/** A server on loopback; `seen` has the requests that reached it. */
async function serve(listener: RequestListener): Promise<{ port: number; url: string; seen: IncomingMessage[] }> {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    listener(request, response)
  })
  open.servers.push(server)
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { port, url: `http://localhost:${port}/`, seen }
}

const about = { purpose: 'jwks' } as const
const reasonOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => new Error('it was answered'),
    (thrown: unknown) => thrown,
  )
  return error instanceof OutboundError ? error.reason : String(error)
}

describe('public addresses (RFC 6890, RFC 8190)', () => {
  test.each([
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '192.0.0.1',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    '5f00::1',
    'fc00::1',
    'fd12::1',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '4000::1',
    'fe80::1%eth0',
    '',
    'localhost',
    '1.2.3',
    '0x7f.1',
  ])('%s is none', (ip) => {
    expect(isPublicIp(ip)).toBe(false)
  })

  test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450:4001::1'])(
    '%s is public',
    (ip) => {
      expect(isPublicIp(ip)).toBe(true)
    },
  )
})

describe('an address that may not be called', () => {
  test.each([
    'http://example.com/',
    'https://example.com:8443/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'data:,x',
    'https://user:secret@example.com/',
    'https://example.com/#part',
    'not an address',
    '',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://169.254.169.254/latest/meta-data/',
    'https://[fd00:ec2::254]/',
    'https://10.1.2.3/',
  ])('%s is refused before anything is resolved or connected', async (ip) => {
    const asked: string[] = []
    const guard = await createGuard({
      resolve: async (hostname) => {
        asked.push(hostname)
        return [{ address: '8.8.8.8', family: 4 }]
      },
    })
    expect(await reasonOf(guard.request(ip, about))).toBe('refused')
    expect(asked).toEqual([])
  })

  test('an allowed origin is that origin and no other', async () => {
    const { port, url } = await serve((_request, response) => response.end('inside'))
    const guard = await createGuard({ ports: [port] })
    expect(await guard.request(url, about)).toMatchObject({ status: 200, text: 'inside' })
    for (const other of [`http://127.0.0.1:${port}/`, `https://localhost:${port}/`, 'http://localhost:1/']) {
      expect(await reasonOf(guard.request(other, about))).toBe('refused')
    }
  })
})

describe('a hostile resolver', () => {
  test.each([
    ['loopback', ['127.0.0.1']],
    ['a cloud’s metadata', ['169.254.169.254']],
    ['mapped loopback', ['::ffff:127.0.0.1']],
    ['one public and one private address', ['8.8.8.8', '10.0.0.1']],
    ['no address', []],
  ])('that returns %s is refused, and no connection is opened', async (_case, addresses) => {
    const { seen } = await serve((_request, response) => response.end())
    const guard = await createGuard({
      resolve: async () => addresses.map((ip) => ({ address: ip, family: ip.includes(':') ? 6 : 4 })),
    })
    expect(await reasonOf(guard.request('https://client.example/', about))).toBe('refused')
    expect(seen).toEqual([])
  })

  test('that returns another address the second time is refused then: the name is resolved once for each connection', async () => {
    const answers = ['8.8.8.8', '127.0.0.1']
    let asked = 0
    const guard = await createGuard({
      timeoutMs: 200,
      resolve: async () => [{ address: answers[asked++] ?? '127.0.0.1', family: 4 }],
    })
    // The first address is public and cannot be reached here, or not in time; the guard must not
    // refuse it.
    expect(['timeout', 'unreachable']).toContain(await reasonOf(guard.request('https://client.example/', about)))
    expect(asked).toBe(1)
    expect(await reasonOf(guard.request('https://client.example/', about))).toBe('refused')
  })

  test('that fails makes the request unreachable', async () => {
    const guard = await createGuard({ resolve: () => Promise.reject(new Error('SERVFAIL')) })
    expect(await reasonOf(guard.request('https://client.example/', about))).toBe('unreachable')
  })
})

describe('a hostile server', () => {
  test.each([301, 302, 303, 307, 308])('that redirects (%d) is not followed', async (status) => {
    const inside = await serve((_request, response) => response.end('secret'))
    const { port, url } = await serve((_request, response) =>
      response.writeHead(status, { location: inside.url }).end(),
    )
    const guard = await createGuard({ ports: [port, inside.port] })
    expect(await reasonOf(guard.request(url, about))).toBe('redirected')
    expect(inside.seen).toEqual([])
  })

  test('that sends an endless response is cut off at 64 KiB, whatever its Content-Length says', async () => {
    const endless = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(4096)));
      }
      response.on('drain', more)
      more()
    })
    const lying = await serve((_request, response) =>
      response.writeHead(200, { 'content-length': '10000000' }).end('x'),
    )
    const guard = await createGuard({ ports: [endless.port, lying.port] })
    expect(await reasonOf(guard.request(endless.url, about))).toBe('too_large')
    expect(await reasonOf(guard.request(lying.url, about))).toBe('too_large')
    const whole = await serve((_request, response) => response.end('x'.repeat(64 * 1024)))
    const other = await createGuard({ ports: [whole.port] })
    expect((await other.request(whole.url, about)).text).toHaveLength(64 * 1024)
  })

  test('that compresses a megabyte into a kilobyte is not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(1024 * 1024))
    const { port, url, seen } = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    )
    const guard = await createGuard({ ports: [port] })
    expect(await reasonOf(guard.request(url, about))).toBe('too_large')
    expect(seen[0]?.headers['accept-encoding']).toBe('identity')
  })

  test('that is slow is cut off, before the first byte and in the middle', async () => {
    const silent = await serve(() => {})
    const dripping = await serve((_request, response) => void response.write('{'))
    const guard = await createGuard({ ports: [silent.port, dripping.port], timeoutMs: 100 })
    expect(await reasonOf(guard.request(silent.url, about))).toBe('timeout')
    expect(await reasonOf(guard.request(dripping.url, about))).toBe('timeout')
  })

  test('that sends too long headers, or breaks the connection, is unreachable', async () => {
    const wordy = await serve((_request, response) => response.writeHead(200, { 'x-long': 'x'.repeat(20_000) }).end())
    const broken = await serve((request) => request.socket.destroy())
    const guard = await createGuard({ ports: [wordy.port, broken.port] })
    expect(await reasonOf(guard.request(wordy.url, about))).toBe('unreachable')
    expect(await reasonOf(guard.request(broken.url, about))).toBe('unreachable')
  })

  test('gets at most four concurrent requests, and all servers together get 64', async () => {
    const hosts = await Promise.all(Array.from({ length: 17 }, () => serve(() => {})))
    const guard = await createGuard({ ports: hosts.map(({ port }) => port), timeoutMs: 500 })
    const held = hosts
      .slice(0, 16)
      .flatMap(({ url }) => Array.from({ length: 4 }, () => reasonOf(guard.request(url, about))))
    expect(await reasonOf(guard.request(hosts[16]!.url, about))).toBe('busy')
    expect(new Set(await Promise.all(held))).toEqual(new Set(['timeout']))
    let [atOnce, most] = [0, 0]
    const one = await serve((request) => {
      atOnce += 1
      most = Math.max(most, atOnce)
      request.socket.once('close', () => {
        atOnce -= 1
      })
    })
    const other = await createGuard({ ports: [one.port], timeoutMs: 200 })
    await Promise.all(Array.from({ length: 9 }, () => reasonOf(other.request(one.url, about))))
    expect(most).toBe(4)
  })
})

test('a form is posted, and the response is returned unchanged', async () => {
  let body = ''
  const { port, url, seen } = await serve(async (request, response) => {
    body = await text(request)
    response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"x"}')
  })
  const guard = await createGuard({ ports: [port] })
  const answer = await guard.request(`${url}logout?a=1`, {
    purpose: 'logout',
    method: 'POST',
    form: { logout_token: 'a b&c' },
  })
  expect(answer).toMatchObject({ status: 400, text: '{"error":"x"}', headers: { 'content-type': 'application/json' } })
  expect([seen[0]?.method, seen[0]?.url, body]).toEqual(['POST', '/logout?a=1', 'logout_token=a+b%26c'])
})

test('proxy environment variables are ignored', async () => {
  const proxy = await serve((_request, response) => response.end('from the proxy'))
  const { port, url } = await serve((_request, response) => response.end('direct'))
  const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'] as const
  const before = names.map((name) => process.env[name])
  for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : proxy.url
  try {
    const guard = await createGuard({ ports: [port] })
    expect((await guard.request(url, about)).text).toBe('direct')
    expect(proxy.seen).toEqual([])
  } finally {
    for (const [index, name] of names.entries()) {
      if (before[index] === undefined) delete process.env[name]
      else process.env[name] = before[index]
    }
  }
})
