/** form_post (OAuth 2.0 Form Post Response Mode), and `iss` in each response (RFC 9207). */
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { answerIn, signedIn } from './support.ts'

let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const fieldsOf = (body: string) =>
  Object.fromEntries(
    [...body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  )

test('form_post responds with our page: fields, a script of this origin, a button, and a policy without form-action', async () => {
  const { browser, authorizeUrl } = await signedIn(server)
  const page = await browser.get(
    await authorizeUrl({ response_mode: 'form_post', prompt: 'none', state: '"><script>alert(1)</script>' }),
  )
  expect(page.status).toBe(200)
  expect(page.body).toContain(`action="${callback}"`)
  expect(fieldsOf(page.body)).toMatchObject({ code: expect.any(String), iss: server.issuer })
  expect(page.body).not.toContain('<script>')
  expect(page.body).toMatch(/<script [^>]*src="\/assets\//)
  expect(page.body).toMatch(/<button/)
  const policy = page.headers.get('Content-Security-Policy')!
  expect(policy).not.toContain('form-action')
  expect(policy).toContain("script-src 'self'")
})

test('an error with form_post has our page too, with status 400', async () => {
  const { browser, authorizeUrl } = createRelyingParty(server)
  const page = await browser.get(await authorizeUrl({ response_mode: 'form_post', prompt: 'none' }))
  expect(page.status).toBe(400)
  expect(fieldsOf(page.body)).toMatchObject({ error: 'login_required', iss: server.issuer, state: 'the-state' })
})

test.each([
  { prompt: 'none' },
  { scope: 'nonsense' },
  { response_type: 'token' },
  { response_type: 'id_token' },
  { code_challenge: undefined },
  { max_age: '-1' },
  { claims: '{' },
  { resource: 'https://unknown.example/' },
  { request: 'x.y.z' },
  { request_uri: 'https://app.example/request' },
  { registration: '{}' },
  { prompt: 'unheard' },
])('an error response has iss and state: %j', async (parameters) => {
  const { browser, authorizeUrl } = createRelyingParty(server)
  const page = await browser.get(await authorizeUrl(parameters as Record<string, string | undefined>))
  expect(page.status).toBe(303)
  const { searchParams, hash } = new URL(page.next!)
  const answer = hash ? new URLSearchParams(hash.slice(1)) : searchParams
  expect(Object.fromEntries(answer)).toMatchObject({
    error: expect.any(String),
    iss: server.issuer,
    state: 'the-state',
  })
})

test('access_denied has iss and state (RFC 6749 §4.1.2.1)', async () => {
  const { browser, authorizeUrl } = createRelyingParty(server)
  const page = await browser.follow(await browser.get(await authorizeUrl()))
  const end = await browser.follow(await browser.submit(page, '/cancel'))
  expect(answerIn(end)).toMatchObject({ error: 'access_denied', iss: server.issuer, state: 'the-state' })
})
