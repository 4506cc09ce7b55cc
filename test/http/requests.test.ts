/** Health, assets, and the log line of a request. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { healthRoutes } from '../../src/http/health.ts'
import { answerUnparsable, serverOptions } from '../../src/http/server.ts'
import { createSentences } from '../../src/locales.ts'
import type { TestServer } from './support.ts'
import { pageRoute, startTestServer } from './support.ts'

let server: TestServer
let isDatabaseThere: () => Promise<boolean>
const failures: unknown[] = []
const log = {
  warn: (...line: unknown[]) => void failures.push(['warn', ...line]),
  debug: (...line: unknown[]) => void failures.push(['debug', ...line]),
}
beforeAll(async () => {
  server = await startTestServer({
    routes: ({ views }) => [
      ...healthRoutes({ log, checks: { database: () => isDatabaseThere(), always: async () => true } }),
      pageRoute(views, '/page', 'home', { issuer: '', discoveryUrl: '' }),
    ],
  })
})
afterAll(() => server.close())

test('a server without its database is live, and not ready', async () => {
  isDatabaseThere = async () => false
  expect((await fetch(`${server.origin}/health/live`)).status).toBe(200)
  const answer = await fetch(`${server.origin}/health/ready`)
  expect([answer.status, answer.headers.get('Retry-After')]).toEqual([503, '5'])
  expect(await answer.json()).toEqual({ status: 'not_ready', checks: { database: false, always: true } })
})

test('a failed check of an optional store is named, and the server stays ready', async () => {
  const of = (name: string) => async () => name as 'away'
  const routes = healthRoutes({ log, checks: { database: of('ok') }, spare: { redis: of('refuses_writes') } })
  const spared = await startTestServer({ routes: () => routes })
  const answer = await fetch(`${spared.origin}/health/ready`)
  expect([answer.status, await answer.json()]).toEqual([
    200,
    { status: 'ready', checks: { database: true, redis: false }, reasons: { redis: 'refuses_writes' } },
  ])
  await spared.close()
})

test('the server is ready when all checks pass, and not when a check fails or hangs', async () => {
  const status = async () => (await fetch(`${server.origin}/health/ready`)).status
  isDatabaseThere = async () => true
  expect(await status()).toBe(200)
  isDatabaseThere = () => Promise.reject(new Error('gone'))
  expect(await status()).toBe(503)
  isDatabaseThere = () => {
    throw new Error('gone')
  }
  expect(await status()).toBe(503)
  isDatabaseThere = () => new Promise(() => {})
  expect(await status()).toBe(503)
})

test('the reason of a check that fails is logged, as a warning only the first time', async () => {
  const ask = () => fetch(`${server.origin}/health/ready`)
  isDatabaseThere = async () => true
  await ask()
  failures.length = 0
  const error = new Error('gone')
  isDatabaseThere = () => Promise.reject(error)
  await ask()
  await ask()
  const line = [{ err: error, check: 'database' }, 'a health check failed']
  expect(failures).toEqual([
    ['warn', ...line],
    ['debug', ...line],
  ])
})

test('an asset has the digest of its content in its URL, and is cached permanently', async () => {
  const html = await (await fetch(`${server.origin}/page`)).text()
  const assetPath = /href="(\/assets\/latchkey\.[\w-]{16}\.css)"/.exec(html)?.[1] ?? ''
  const answer = await fetch(server.origin + assetPath)
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'text/css; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
  })
  const condition = `If-None-Match: ${answer.headers.get('ETag')}`
  const again = await server.sendRaw(
    `GET ${assetPath} HTTP/1.1\r\nHost: x\r\n${condition}\r\nConnection: close\r\n\r\n`,
  )
  expect(again).toMatch(/^HTTP\/1\.1 304 /)
  expect(again).toMatch(/\r\n\r\n$/)
})

test('the asset of another version is answered with the own one, which nothing keeps', async () => {
  const answer = await fetch(`${server.origin}/assets/latchkey.AAAAAAAA_-AAAAAA.css`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('Content-Type')).toBe('text/css; charset=utf-8')
  expect(answer.headers.get('Cache-Control')).toBe('no-store')
  expect(answer.headers.get('ETag')).toBe(null)
})

test('other paths below the folder of assets are 404', async () => {
  for (const path of [
    'latchkey.css',
    'none.0000000000000000.css',
    '..%2flogin.ejs',
    '%2e%2e/login.ejs',
    'constructor',
  ]) {
    expect((await fetch(`${server.origin}/assets/${path}`)).status).toBe(404)
  }
})

test('a request has one log line, without its query, its cookie or an id from its path', async () => {
  const secret = 'S3cretS3cretS3cret'
  const answer = await fetch(`${server.origin}/interaction/${secret}?code=${secret}`, {
    headers: { Cookie: `a=${secret}`, Authorization: `Bearer ${secret}`, 'User-Agent': 'tester "1"' },
  })
  await answer.text()
  const id = answer.headers.get('X-Request-Id')
  const lines = server.logLines().filter((line) => line.requestId === id)
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatchObject({
    method: 'GET',
    path: '/interaction/:id',
    status: 404,
    errorCode: 'not_found',
    address: '127.0.0.1',
    userAgent: 'tester "1"',
    ms: expect.any(Number),
  })
  expect(JSON.stringify(server.logLines())).not.toContain(secret)
})

test('a line break in a header does not create a second log line', async () => {
  const before = server.logLines().length
  const answer = await server.sendRaw(
    'GET /page HTTP/1.1\r\nHost: x\r\nUser-Agent: a\tb\r\n {"level":"fatal"}\r\nConnection: close\r\n\r\n',
  )
  expect(answer).toMatch(/^HTTP\/1\.1 (200|400) /)
  expect(
    server
      .logLines()
      .slice(before)
      .every((line) => line.level === 'info'),
  ).toBe(true)
})

test('a missing sentence or value throws in strict mode', () => {
  const { t } = createSentences({ isStrict: true })
  expect(() => t('pages.nothing')).toThrow(/no sentence/)
  expect(() => t('errors.field_repeated')).toThrow(/no value/)
  expect(() => t('errors.constructor')).toThrow(/no sentence/)
  expect(createSentences({ isStrict: false }).t('pages.nothing')).toBe('pages.nothing')
})

test('a placeholder inside a value is not replaced', () => {
  const { t } = createSentences({ isStrict: true })
  const field = '{{limit}} $t(pages.login.title) <b>&'
  expect(t('errors.field_repeated', { field })).toContain(field)
})

test('headers have ten seconds to arrive, a request thirty, and then the answer is 408', async () => {
  const slow = createServer(serverOptions)
  answerUnparsable(slow)
  expect([slow.headersTimeout, slow.requestTimeout]).toEqual([10_000, 30_000])
  slow.listen(0, '127.0.0.1')
  await once(slow, 'listening')
  const { port } = slow.address() as AddressInfo
  // Node compares the times at an interval, by default every thirty seconds.
  slow.headersTimeout = 10
  slow.requestTimeout = 10
  const began = performance.now()
  const post = 'POST / HTTP/1.1\r\nHost: x\r\n'
  const answers = [post, `${post}Content-Length: 9\r\n\r\n1`].map(async (text) => {
    const socket = connect(port, '127.0.0.1')
    socket.write(text)
    return Buffer.concat(await socket.toArray()).toString()
  })
  for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  expect(performance.now() - began).toBeLessThan(10_000)
  slow.close()
})
