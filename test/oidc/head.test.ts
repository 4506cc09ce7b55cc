/** HEAD (RFC 9110 §9.3.2): an endpoint that issues or ends something answers with 405. */
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'
import { signedIn } from './support.ts'

let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

test('HEAD at the authorization endpoint is 405, and stores no code and no session', async () => {
  const { browser, authorizeUrl } = await signedIn(server)
  const codes = async () => (await server.database.knex('artifact').where({ model: 3 })).length
  const before = await codes()
  const refused = await browser.request(await authorizeUrl(), { method: 'HEAD' })
  expect([refused.status, refused.headers.get('Allow'), refused.next]).toEqual([405, 'GET, POST', undefined])
  expect(refused.headers.getSetCookie()).toEqual([])
  expect(await codes()).toBe(before)
})

test.each([
  ['/authorize/some-interaction-id', 'GET'],
  ['/logout', 'GET, POST'],
  ['/logout/confirm', 'POST'],
])('HEAD %s is 405', async (path, allow) => {
  const refused = await fetch(server.issuer + path, { method: 'HEAD', redirect: 'manual' })
  expect([refused.status, refused.headers.get('Allow'), await refused.text()]).toEqual([405, allow, ''])
})

test.each(['/jwks', '/.well-known/openid-configuration', '/logout/success', '/userinfo', '/account'])(
  'HEAD %s gets the status and type of GET, without a body',
  async (path) => {
    const { tokens } = await signedIn(server)
    const headers = { Authorization: `Bearer ${tokens.access_token}` }
    const get = await fetch(server.issuer + path, { headers, redirect: 'manual' })
    const head = await fetch(server.issuer + path, { headers, redirect: 'manual', method: 'HEAD' })
    expect([head.status, head.headers.get('Content-Type')]).toEqual([get.status, get.headers.get('Content-Type')])
    expect(await head.text()).toBe('')
  },
)
