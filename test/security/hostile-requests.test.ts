/**
 * Requests that no honest program sends: each gets the right status, in one answer, without a stack
 * trace and without a 500.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { formType, lengthOf, message, sendRaw, statusesIn } from './wire.ts'

let server: Latchkey
let log: string[] = []

beforeAll(async () => {
  server = await startLatchkey({ onLog: (line) => log.push(line) })
})
beforeEach(() => {
  log = []
})
afterEach(() => {
  expect(log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([])
})
afterAll(() => server.stop())

const raw = (text: string) => sendRaw(server.issuer, text)

describe('one request is read as one request (RFC 9112 §11.2)', () => {
  const smuggled = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'
  test.each([
    [
      'Content-Length and Transfer-Encoding',
      [formType, 'Content-Length: 4', 'Transfer-Encoding: chunked'],
      `0\r\n\r\n${smuggled}`,
    ],
    ['two Content-Lengths', [formType, 'Content-Length: 0', `Content-Length: ${smuggled.length}`], smuggled],
    ['an unknown transfer coding', [formType, 'Transfer-Encoding: xchunked'], `0\r\n\r\n${smuggled}`],
    ['a coding behind chunked', [formType, 'Transfer-Encoding: chunked, identity'], `0\r\n\r\n${smuggled}`],
    ['a space before the colon', [formType, 'Content-Length : 0'], smuggled],
    ['a folded header', [formType, 'X-A: b\r\n Content-Length: 0'], smuggled],
    ['a bare line feed', [formType, 'X-A: b\nContent-Length: 0'], smuggled],
    ['a negative length', [formType, 'Content-Length: -1'], smuggled],
    ['a length with a sign', [formType, 'Content-Length: +5'], smuggled],
    ['a broken chunk size', [formType, 'Transfer-Encoding: chunked'], `0x0\r\n\r\n${smuggled}`],
    ['a NUL in a header', ['X-A: a\0b'], smuggled],
  ])('%s: one refusal, and the connection ends', async (_, headers, body) => {
    const answer = await raw(['POST /token HTTP/1.1', 'Host: localhost', ...headers, '', body].join('\r\n'))
    expect(statusesIn(answer)).toEqual([400])
    expect(answer).toMatch(/^connection: close/im)
  })
})

test.each([
  ['TRACE /', 404],
  ['TRACE /token', 405],
  ['PUT /token', 405],
  ['DELETE /authorize', 405],
  ['GET /token', 405],
  ['GET /revoke', 405],
  ['GET /introspect', 405],
  ['PATCH /userinfo', 405],
  ['POST /jwks', 405],
  ['POST /.well-known/openid-configuration', 405],
  ['PROPFIND /', 404],
  ['GET /logout/confirm', 405],
  ['POST /logout/success', 405],
  ['DELETE /interaction/aaaaaaaaaaaaaaaaaaaaa', 405],
  ['GET /interaction/aaaaaaaaaaaaaaaaaaaaa/login', 405],
  ['POST /health/live', 405],
])('a method that a path does not have is refused: %s gives %i (RFC 9110 §15.5.6)', async (line, status) => {
  const answer = await raw(message(line))
  expect([status, status === 404 ? 405 : status]).toContain(statusesIn(answer)[0])
  if (statusesIn(answer)[0] === 405) expect(answer).toMatch(/^allow: \S/im)
})

test('the method is that of the request line, whatever a header or a parameter says', async () => {
  for (const [name, value] of [
    ['X-HTTP-Method-Override', 'POST'],
    ['X-HTTP-Method', 'POST'],
    ['X-Method-Override', 'POST'],
  ]) {
    expect(statusesIn(await raw(message('GET /token?_method=POST', [`${name}: ${value}`])))).toEqual([405])
  }
})

test('CONNECT and an upgrade open no tunnel', async () => {
  expect(await raw('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n')).not.toMatch(
    /^HTTP\/1\.1 [12]/,
  )
  const upgrade = await raw(message('GET /health/live', ['Upgrade: websocket', 'Connection: Upgrade']))
  expect(upgrade).not.toMatch(/^HTTP\/1\.1 101/)
})

test('headers that are too large get an error, and cookies that are too many or broken change nothing', async () => {
  expect(statusesIn(await raw(message('GET /', [`Cookie: a=${'b'.repeat(40_000)}`])))).toEqual([431])
  const many = Array.from({ length: 900 }, (_, index) => `latchkey.session${index}=x`).join('; ')
  expect(statusesIn(await raw(message('GET /', [`Cookie: ${many}`])))).toEqual([200])
  for (const cookie of [
    'latchkey.session=%; latchkey.session.sig=%',
    'latchkey.session=%00; latchkey.session.sig=x',
    'latchkey.session=__proto__; latchkey.session.sig=__proto__',
    'latchkey.session; =; ;;',
    'latchkey.browser=%ff',
    '\x80\xff=\x01',
  ]) {
    for (const path of ['/authorize?client_id=web', '/logout', '/interaction/aaaaaaaaaaaaaaaaaaaaa']) {
      const [status = 500] = statusesIn(await raw(message(`GET ${path}`, [`Cookie: ${cookie}`])))
      expect([200, 303, 400]).toContain(status)
    }
  }
})

test('URLs in responses come from the issuer, whatever Host, Forwarded and the request target say', async () => {
  const { issuer } = server
  const answers = await Promise.all([
    raw('GET /.well-known/openid-configuration HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'),
    raw(
      'GET http://evil.example/.well-known/openid-configuration HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    ),
    raw(
      message('GET /.well-known/openid-configuration', ['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https']),
    ),
    raw(message('GET /.well-known/openid-configuration', ['Forwarded: host=evil.example;proto=https'])),
    raw(message('GET /.well-known/openid-configuration', ['X-Original-URL: /token', 'X-Rewrite-URL: /token'])),
  ])
  for (const answer of answers) {
    expect(answer).toContain(`"issuer":"${issuer}"`)
    expect(answer).not.toContain('evil.example')
  }
  expect(await raw('GET / HTTP/1.0\r\n\r\n')).toContain(issuer)
})

test.each(['Host: evil.example', 'Authorization: Basic eDp5', formType])(
  'a repeated header is refused: %s (RFC 9112 §3.2, RFC 9110 §5.3)',
  async (header) => {
    const body = 'grant_type=client_credentials'
    const once = [formType, lengthOf(body), 'Authorization: Basic eDp5']
    expect(statusesIn(await raw(message('POST /token', once, body)))).toEqual([401])
    expect(statusesIn(await raw(message('POST /token', [...once, header], body)))).toEqual([400])
  },
)

describe('bodies', () => {
  const post = (headers: readonly string[], body: string, path = '/token') =>
    raw(message(`POST ${path}`, headers, body)).then((answer) => statusesIn(answer)[0])

  test('a body of another type is 415', async () => {
    for (const type of ['text/plain', 'application/json', 'multipart/form-data; boundary=x', 'application/xml', '']) {
      for (const path of [
        '/token',
        '/introspect',
        '/revoke',
        '/authorize',
        '/logout',
        '/logout/confirm',
        '/userinfo',
      ]) {
        expect(await post([...(type ? [`Content-Type: ${type}`] : []), lengthOf('{"a":1}')], '{"a":1}', path)).toBe(415)
      }
    }
  })

  test('another charset or a compressed body is 415', async () => {
    expect(await post([`${formType}; charset=utf-16`, lengthOf('a=b')], 'a=b')).toBe(415)
    expect(await post([formType, 'Content-Encoding: gzip', lengthOf('a=b')], 'a=b')).toBe(415)
    // A parameter whose quote is not closed is ignored: what is left is a form without a client.
    expect(await post([`${formType}; charset="`, lengthOf('a=b')], 'a=b')).toBe(401)
  })

  test('a body of 57 KiB is 413, and a chunked one is refused too', async () => {
    const body = `a=${'b'.repeat(57 * 1024)}`
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
    for (const path of ['/token', '/introspect', '/revoke', '/authorize', '/logout', '/logout/confirm', '/userinfo']) {
      expect(await post([formType, lengthOf(body)], body, path)).toBe(413)
      // The engine reads chunked bodies itself, up to the same limit, and answers invalid_request
      // beyond it.
      expect([400, 413]).toContain(await post([formType, 'Transfer-Encoding: chunked'], chunked, path))
    }
  })

  test('too long parameters are 400, in a form and in a URL', async () => {
    const { call, basic, authorizeUrl, browser } = createRelyingParty(server)
    const headers = { Authorization: basic('machine', webSecret) }
    const scope = Array.from({ length: 5_000 }, () => 'a').join(' ')
    const long = 'a'.repeat(4_001)
    const redirect_uri = 'https://app.example/callback'
    const authorization = Object.fromEntries(new URL(await authorizeUrl()).searchParams)
    const answers = await Promise.all([
      call('/token', { grant_type: 'client_credentials', scope }, headers),
      call('/token', { grant_type: 'client_credentials', resource: `https://api.example/${long}` }, headers),
      call('/token', { grant_type: 'authorization_code', code: long, redirect_uri, client_id: 'spa' }),
      call('/token', { grant_type: 'refresh_token', refresh_token: long, client_id: 'spa' }),
      call('/token', { grant_type: long }, headers),
      call('/authorize', { ...authorization, state: long }),
      call('/authorize', { ...authorization, scope }),
      call('/logout', { state: long }),
    ])
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 400))
    expect(answers[0]?.body).toMatchObject({ error: 'invalid_request', error_description: 'scope is too long' })
    const claims = `{"id_token":{}${' '.repeat(9_000)}}`
    const page = await browser.follow(await browser.post(`${server.issuer}/authorize`, { ...authorization, claims }))
    expect([page.status, page.body]).toEqual([200, expect.stringContaining('name="password"')])
    expect((await call('/authorize', { ...authorization, claims: ' '.repeat(16_001) })).status).toBe(400)
  })

  test('fields named __proto__, constructor and toString are unknown fields', async () => {
    const { call, basic } = createRelyingParty(server)
    const fields = { __proto__x: '1', constructor: '1', 'constructor[prototype][isAdmin]': '1', toString: '1' }
    const { status } = await call(
      '/token',
      { ...fields, grant_type: 'client_credentials', scope: 'api:read', resource: 'https://api.example/' },
      { Authorization: basic('machine', webSecret) },
    )
    expect(status).toBe(200)
    const body = 'grant_type=client_credentials&__proto__=1&__proto__[isAdmin]=1'
    expect(await post([formType, lengthOf(body)], body)).toBeLessThan(500)
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined()
  })

  test('invalid bytes, broken escapes and a NUL cause no server error', async () => {
    for (const body of [
      'a=%',
      'a=%ff',
      'client_id=%00',
      'grant_type=%ed%a0%80',
      '\xff\xfe=1',
      '&&&&=&',
      '%00=%00',
      'code=%00',
    ]) {
      for (const path of [
        '/token',
        '/introspect',
        '/revoke',
        '/authorize',
        '/logout',
        '/logout/confirm',
        '/userinfo',
      ]) {
        const status = (await post([formType, lengthOf(body)], body, path)) ?? 500
        expect([path, body, status < 500]).toEqual([path, body, true])
      }
    }
  })
})
