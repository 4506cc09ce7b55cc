/**
 * Which origins' scripts may read which responses (Fetch standard, CORS protocol; RFC 9700 §2.6).
 */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'

let server: Latchkey
const own = 'https://spa.example'
const evil = 'https://evil.example'

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const allowed = (response: { headers: Headers }) => response.headers.get('Access-Control-Allow-Origin')
const preflight = (path: string, origin: string, method = 'POST') =>
  fetch(server.issuer + path, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': method,
      'Access-Control-Request-Headers': 'authorization',
    },
  })

async function tokens() {
  const spa = { client_id: 'spa', redirect_uri: `${own}/callback` }
  const rp = createRelyingParty(server)
  const { code } = await rp.authorize({ ...spa, scope: 'openid' })
  return { rp, spa, code: code! }
}

test.each(['/jwks', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'])(
  '%s allows every origin',
  async (path) => {
    for (const origin of [own, evil, 'null']) {
      expect(allowed(await fetch(server.issuer + path, { headers: { Origin: origin } }))).toBe('*')
      expect(allowed(await preflight(path, origin, 'GET'))).toBe('*')
    }
  },
)

test('the origin of a client may call /token and /userinfo, without credentials', async () => {
  const { rp, spa, code } = await tokens()
  const answer = await rp.call(
    '/token',
    { ...spa, grant_type: 'authorization_code', code, code_verifier: rp.verifier },
    { Origin: own },
  )
  expect([answer.status, allowed(answer)]).toEqual([200, own])
  expect(answer.headers.get('Access-Control-Allow-Credentials')).toBeNull()
  const headers = { Origin: own, Authorization: `Bearer ${answer.body.access_token}` }
  expect(allowed(await fetch(`${server.issuer}/userinfo`, { headers }))).toBe(own)
  // A preflight names no client, so it admits any origin, and never with cookies.
  for (const origin of [own, evil]) {
    const asked = await preflight('/token', origin)
    expect([allowed(asked), asked.headers.get('Access-Control-Allow-Credentials')]).toEqual([origin, null])
  }
  expect(allowed(await preflight('/userinfo', own, 'GET'))).toBe(own)
})

test('an empty Origin header gets no Access-Control-Allow-Origin', async () => {
  const { rp } = await tokens()
  for (const path of ['/token', '/userinfo', '/par', '/revoke']) {
    expect([path, allowed(await rp.call(path, { client_id: 'spa' }, { Origin: '' }))]).toEqual([path, null])
    expect([path, allowed(await preflight(path, ''))]).toEqual([path, null])
  }
})

test.each([evil, 'null', `${own}.evil.example`, 'http://spa.example'])(
  'the origin %s may not redeem a code',
  async (origin) => {
    const { rp, spa, code } = await tokens()
    const answer = await rp.call(
      '/token',
      { ...spa, grant_type: 'authorization_code', code, code_verifier: rp.verifier },
      { Origin: origin },
    )
    expect([answer.status, allowed(answer)]).toEqual([400, null])
  },
)

test('an origin in allowed_origins of the client may call /token', async () => {
  const metadata = {
    client_name: 'Two Homes',
    redirect_uris: ['https://one.example/callback'],
    allowed_origins: ['https://two.example'],
    scope: 'openid',
  }
  await server.addClient({ clientId: 'two-homes', kind: 'spa', metadata })
  const { rp } = await tokens()
  const answer = await rp.call(
    '/token',
    { client_id: 'two-homes', grant_type: 'refresh_token', refresh_token: 'x' },
    { Origin: 'https://two.example' },
  )
  expect([answer.body.error, allowed(answer)]).toEqual(['invalid_grant', 'https://two.example'])
})

test('introspection, logout and the pages allow no other origin, and the origin null never passes a preflight', async () => {
  const { rp } = await tokens()
  for (const path of ['/introspect', '/logout', '/authorize', '/'])
    expect([path, allowed(await preflight(path, own))]).toEqual([path, null])
  expect(
    allowed(
      await rp.call(
        '/introspect',
        { token: 'x' },
        { Origin: 'https://app.example', Authorization: rp.basic('web', 'wrong') },
      ),
    ),
  ).toBeNull()
  expect(allowed(await preflight('/token', 'null'))).toBeNull()
})

test('a script of another origin can read the 401 for an expired token', async () => {
  const response = await fetch(`${server.issuer}/userinfo`, {
    headers: { Origin: own, Authorization: 'Bearer expired' },
  })
  expect([response.status, allowed(response)]).toEqual([401, own])
})
