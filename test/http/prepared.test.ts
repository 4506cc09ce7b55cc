/** Documents for all clients are served from memory and equal the application's responses. */
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import { createPreparedDocuments } from '../../src/http/prepared-documents.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'

describe('a prepared answer', () => {
  let version = 1
  let text = 'plain'
  let isConfirmed = true
  let asked = 0
  let server: Server
  let issuer: string
  const logged: unknown[] = []

  beforeAll(async () => {
    const documents = createPreparedDocuments({
      paths: ['/document'],
      versionsOf: () => [version],
      isConfirmed: () => isConfirmed,
      ipOf: () => '192.0.2.1',
      logRequest: (request, _response, { requestId, describe }) =>
        void logged.push({ method: request.method, requestId, ...describe() }),
      random: { id: () => `request-${logged.length}` },
    })
    const app = new Koa()
    app.use(documents.store)
    app.use((ctx) => {
      asked += 1
      ctx.set('X-Version', String(version))
      ctx.body = { version, text }
    })
    const answer = app.callback()
    server = createServer((request, response) => {
      if (!documents.answer(request, response)) void answer(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))
  beforeEach(async () => {
    isConfirmed = true
    await fetch(`${issuer}/document`)
    asked = 0
    logged.length = 0
  })

  test('is sent without a call of the application, with its own request id and a log line', async () => {
    const response = await fetch(`${issuer}/document`)
    expect([response.status, await response.json(), asked]).toEqual([200, { version, text }, 0])
    expect(response.headers.get('X-Version')).toBe(String(version))
    expect(response.headers.get('Content-Type')).toBe('application/json; charset=utf-8')
    expect(response.headers.get('X-Request-Id')).toBe('request-0')
    expect(logged).toEqual([{ method: 'GET', requestId: 'request-0', path: '/document', status: 200, ip: '192.0.2.1' }])
  })

  test('has no body for HEAD (RFC 9110 §9.3.2)', async () => {
    const response = await fetch(`${issuer}/document`, { method: 'HEAD' })
    expect([response.status, await response.text(), asked]).toEqual([200, '', 0])
    expect(response.headers.get('Content-Length')).toBe(String(JSON.stringify({ version, text }).length))
  })

  test.each<[string, string, RequestInit]>([
    ['a condition', '/document', { headers: { 'If-None-Match': '"etag"' } }],
    ['another method', '/document', { method: 'POST', body: 'text' }],
    ['a query', '/document?a=b', {}],
    ['another path', '/document/', {}],
  ])('is not sent to a request with %s', async (_what, path, init) => {
    await fetch(`${issuer}${path}`, init)
    expect(asked).toBe(1)
  })

  test('is not used while it is not confirmed', async () => {
    isConfirmed = false
    await fetch(`${issuer}/document`)
    expect(asked).toBe(1)
  })

  test('is created again when its version has changed', async () => {
    version += 1
    const versions = []
    for (let time = 0; time < 2; time += 1) versions.push(await (await fetch(`${issuer}/document`)).json())
    expect([versions, asked]).toEqual([Array(2).fill({ version, text }), 1])
  })

  test('is the same when it is not ASCII', async () => {
    text = 'größer'
    version += 1
    for (let time = 0; time < 2; time += 1)
      expect(await (await fetch(`${issuer}/document`)).json()).toEqual({ version, text })
    expect(asked).toBe(1)
  })
})

describe('the prepared responses of a server', () => {
  let server: Latchkey
  beforeAll(async () => {
    server = await startLatchkey()
  })
  afterAll(() => server?.stop())

  test.each(['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/jwks'])(
    '%s is the same from memory, except for its request id',
    async (path) => {
      const read = async () => {
        const response = await fetch(`${server.issuer}${path}`, { headers: { Origin: 'https://app.example' } })
        const { 'x-request-id': id, date: _, ...headers } = Object.fromEntries(response.headers)
        return { id, headers, status: response.status, body: await response.text() }
      }
      const [first, second] = [await read(), await read()]
      expect(second).toEqual({ ...first, id: expect.any(String) })
      expect(second.id).not.toBe(first.id)
      expect(second.headers).toMatchObject({
        'access-control-allow-origin': '*',
        'cache-control': expect.stringMatching(/^public, max-age=\d+$/),
        'x-content-type-options': 'nosniff',
      })
    },
  )
})
