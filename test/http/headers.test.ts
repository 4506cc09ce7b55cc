/** The security headers are on every response, and each exception applies to its own route only. */
import { z } from 'zod'
import { api } from '../../src/http/route.ts'
import type { TestServer } from './support.ts'
import { pageRoute, startTestServer } from './support.ts'

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
const directivesOf = (text: string | null) => (text ?? '').split(';').map((directive) => directive.trim())

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    routes: ({ views }) => [
      pageRoute(views, '/page', 'home', { issuer: 'x', discoveryUrl: 'x' }),
      pageRoute(views, '/interaction', 'logged-out', {}),
      pageRoute(views, '/form-post', 'form-post', { action: 'https://app.example.com/cb', fields: [['code', '1']] }),
      api({
        method: 'POST',
        path: '/json',
        name: 'json',
        access: 'public',
        csrf: { exempt: 'a test' },
        body: { schema: z.strictObject({}) },
        handler: () => {
          throw new Error('broken')
        },
      }),
    ],
    engine: [
      async (ctx, next) => {
        if (ctx.path === '/jwks') ctx.body = { keys: [] }
        else if (ctx.path.startsWith('/authorize')) ctx.redirect('https://app.example.com/cb')
        else if (ctx.path === '/token') ctx.throw(400, 'thrown by the engine')
        else await next()
      },
    ],
  })
})
afterAll(() => server.close())

const post = (type: string, body: string) => ({ method: 'POST', headers: { 'Content-Type': type }, body })
const answers: [what: string, path: string, init: RequestInit | undefined, status: number][] = [
  ['a page', '/page', undefined, 200],
  ['HEAD of a page', '/page', { method: 'HEAD' }, 200],
  ['the page of a path that does not exist', '/nothing', { headers: { Accept: 'text/html' } }, 404],
  ['a wrong method', '/page', { method: 'DELETE' }, 405],
  ['an unread body', '/json', post('text/plain', '{}'), 415],
  ['an oversized body', '/json', post('application/json', `"${'x'.repeat(60_000)}"`), 413],
  ['a failure of the program', '/json', post('application/json', '{}'), 500],
  ['an answer of the engine', '/jwks', undefined, 200],
  ['a redirect of the engine', '/authorize', undefined, 302],
  ['an error of the engine', '/token', undefined, 400],
  ['an asset that does not exist', '/assets/none.css', undefined, 404],
]

test.each(answers)('%s has every security header', async (_what, path, init, status) => {
  const { status: actual, headers } = await fetch(server.origin + path, { redirect: 'manual', ...init })
  expect(actual).toBe(status)
  expect(directivesOf(headers.get('Content-Security-Policy')).sort()).toEqual(directivesOf(policy).sort())
  expect(Object.fromEntries(headers)).toMatchObject({
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
    'x-request-id': expect.stringMatching(/^[\da-f-]{36}$/),
  })
  expect(headers.has('X-Powered-By')).toBe(false)
})

test('only JWKS, discovery and assets may be cached, and only when they succeed', async () => {
  const cacheControl = async (path: string) =>
    (await fetch(server.origin + path, { redirect: 'manual' })).headers.get('Cache-Control')
  expect(await cacheControl('/page')).toBe('no-store')
  expect(await cacheControl('/nothing')).toBe('no-store')
  expect(await cacheControl('/authorize')).toBe('no-store')
  expect(await cacheControl('/assets/none.css')).toBe('no-store')
  expect(await cacheControl('/jwks')).toBe('public, max-age=300')
})

test('pages of a sign-in popup keep their opener, all others do not', async () => {
  const opener = async (path: string) =>
    (await fetch(server.origin + path, { redirect: 'manual' })).headers.get('Cross-Origin-Opener-Policy')
  expect(await opener('/page')).toBe('same-origin')
  expect(await opener('/authorizer')).toBe('same-origin')
  expect(await opener('/authorize')).toBeNull()
  expect(await opener('/authorize/resumed')).toBeNull()
  expect(await opener('/interaction')).toBeNull()
})

test('only the form_post page has a policy without form-action', async () => {
  const { headers } = await fetch(`${server.origin}/form-post`)
  const expected = directivesOf(policy).filter((directive) => directive !== "form-action 'self'")
  expect(directivesOf(headers.get('Content-Security-Policy')).sort()).toEqual(expected.sort())
})

test('http has no HSTS, which would lock localhost into https', async () => {
  const development = await startTestServer({ issuer: 'http://localhost:3000' })
  try {
    const { headers } = await fetch(`${development.origin}/nothing`)
    expect(headers.has('Strict-Transport-Security')).toBe(false)
    expect(headers.get('X-Frame-Options')).toBe('DENY')
  } finally {
    await development.close()
  }
})

test('a request that Node cannot parse gets an error with the security headers and no body', async () => {
  const answer = await server.sendRaw('GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer).toContain("Content-Security-Policy: default-src 'none'")
  expect(answer).toMatch(/\r\n\r\n$/)
  const tooLong = await server.sendRaw(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`)
  expect(tooLong).toMatch(/^HTTP\/1\.1 431 /)
})
