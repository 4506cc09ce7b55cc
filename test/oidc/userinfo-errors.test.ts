/** The errors of userinfo and their statuses, as docs/revocation.md lists them. */
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

async function ask(headers: Record<string, string>, query = '') {
  const response = await fetch(`${server.issuer}/userinfo${query}`, { headers })
  const { error } = (await response.json()) as { error?: string }
  return { status: response.status, error, challenge: response.headers.get('WWW-Authenticate') ?? '' }
}

test('a token that is missing, unknown, revoked or for an API is 401, one without openid is 403', async () => {
  const rp = createRelyingParty(server)
  expect(await ask({})).toMatchObject({ status: 401, error: 'invalid_token' })
  expect(await ask({ Authorization: 'Bearer unknown' })).toMatchObject({ status: 401, error: 'invalid_token' })
  expect(await ask({ Authorization: 'Basic unknown' })).toMatchObject({ status: 400, error: 'invalid_request' })
  expect(await ask({ Authorization: 'Bearer unknown' }, '?access_token=unknown')).toMatchObject({ status: 400 })

  const { access_token: token } = await rp.signIn({ scope: 'openid email' })
  expect(await ask({ Authorization: `Bearer ${token}` })).toMatchObject({ status: 200 })
  expect(await ask({ Authorization: `Bearer ${token}` }, '?scope=phone')).toMatchObject({
    status: 403,
    error: 'insufficient_scope',
  })
  await rp.call('/revoke', { token }, { Authorization: rp.basic('web', webSecret) })
  const dead = await ask({ Authorization: `Bearer ${token}` })
  expect(dead).toMatchObject({ status: 401, error: 'invalid_token' })
  expect(dead.challenge).toContain('error="invalid_token"')

  const offline = await rp.signIn({ scope: 'openid email offline_access', prompt: 'consent' })
  const narrowed = (await rp.refresh(offline.refresh_token, { scope: 'email' })).body
  const refused = await ask({ Authorization: `Bearer ${narrowed.access_token}` })
  expect(refused).toMatchObject({ status: 403, error: 'insufficient_scope' })
  expect(refused.challenge).toContain('scope="openid"')
  const forApi = await rp.exchange((await rp.authorize({ scope: 'openid api:read', resource: api })).code!, {
    resource: api,
  })
  expect(await ask({ Authorization: `Bearer ${forApi.body.access_token}` })).toMatchObject({ status: 401 })
})
