/** Rows of the attack list whose features are not built yet: not advertised, no route, refused. */
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

test.each([
  [14, '/interaction/abcdefghijkl/mfa'],
  [16, '/interaction/abcdefghijkl/totp'],
  [17, '/webauthn'],
  [18, '/recovery'],
  [19, '/reset'],
  [22, '/registration'],
  [23, '/account'],
  [24, '/upstream'],
  [44, '/par'],
  [44, '/request'],
  [46, '/device'],
  [46, '/device/auth'],
  [54, '/admin'],
  [54, '/admin/api/clients'],
  [55, '/account/sessions/1'],
  [56, '/account/profile'],
  [57, '/reg'],
  [57, '/reg/web'],
  [60, '/dev/mail'],
  [60, '/metrics'],
])('%i: there is no %s', async (_row, path) => {
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    const response = await fetch(server.issuer + path, { method, redirect: 'manual' })
    expect([method, response.status]).toEqual([method, 404])
  }
})

test('32, 33: a client assertion is refused, whatever it says', async () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const alg of ['none', 'HS256', 'ES256']) {
    const response = await fetch(`${server.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: `${part({ alg })}.${part({ iss: 'machine', sub: 'machine', aud: server.issuer })}.x`,
      }),
    })
    expect([400, 401]).toContain(response.status)
    expect(await response.json()).not.toHaveProperty('access_token')
  }
})

test('40: a DPoP proof is not asked for and binds nothing; a token type of its own does not exist', async () => {
  const rp = createRelyingParty(server)
  const { body } = await rp.token(
    { grant_type: 'client_credentials' },
    { Authorization: rp.basic('machine', webSecret), DPoP: 'x.y.z' },
  )
  expect(body.token_type ?? 'Bearer').toBe('Bearer')
  const response = await fetch(`${server.issuer}/userinfo`, { headers: { Authorization: 'DPoP x', DPoP: 'x.y.z' } })
  expect([400, 401]).toContain(response.status)
})

test('44: a request_uri, of ours or of a client, is refused', async () => {
  const { browser, authorizeUrl } = createRelyingParty(server)
  for (const uri of ['urn:ietf:params:oauth:request_uri:x', 'https://app.example/request', 'http://127.0.0.1:1/']) {
    const page = await browser.get(await authorizeUrl({ request_uri: uri }))
    expect(new URL(page.next!).searchParams.get('error')).toBe('request_uri_not_supported')
  }
})

test('45: a client with addresses for the server to fetch is refused', async () => {
  const base = { client_name: 'Lever', redirect_uris: ['https://lever.example/callback'] }
  for (const extra of [
    { jwks_uri: 'http://127.0.0.1/' },
    { sector_identifier_uri: 'https://x.example' },
    { logo_uri: 'https://x.example' },
    { backchannel_logout_uri: 'http://169.254.169.254/' },
  ]) {
    await expect(
      server.addClient({ clientId: 'lever', kind: 'spa', metadata: { ...base, ...extra } }),
    ).rejects.toMatchObject({ code: 'client_invalid' })
  }
})

test('31: authentication in two ways, and by a method that is not registered, is refused', async () => {
  const rp = createRelyingParty(server)
  const both = await rp.token(
    { grant_type: 'client_credentials', client_id: 'machine', client_secret: webSecret },
    { Authorization: rp.basic('machine', webSecret) },
  )
  expect(both.status).toBe(400)
  const bearer = await rp.token({ grant_type: 'client_credentials' }, { Authorization: 'Bearer x' })
  expect(bearer.status).toBe(400)
})
