/** The plan oidcc-rp-initiated-logout-certification-test-plan: one test for each module. */
import { decodeJwt } from 'jose'
import type { Page } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import type { Parameters, Suite } from './certification.ts'
import { createSuite, postLogoutUri, startCertified } from './certification.ts'

let server: Latchkey
let suite: Suite
let hint: string

beforeAll(async () => {
  server = await startCertified()
})
beforeEach(async () => {
  suite = createSuite(server, 'query')
  hint = (await suite.flow()).tokens.id_token
})
afterAll(() => server.stop())

/** The browser's page after the end-session endpoint. The user confirms when asked. */
async function logOut(parameters: Parameters): Promise<Page> {
  const given = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined)
  const page = await suite.browser.get(`${server.issuer}/logout?${new URLSearchParams(given)}`)
  if (!page.body.includes('/confirm"')) return page
  return suite.browser.submit(page, '/confirm', { logout: 'yes' })
}

const complete = () => ({ id_token_hint: hint, post_logout_redirect_uri: postLogoutUri, state: 'logout-state' })

async function isLoggedIn(): Promise<boolean> {
  return 'code' in (suite.answerIn(await suite.browser.get(suite.authorizeUrl({ prompt: 'none' }))) ?? {})
}

/** No redirect to the client: the browser stays on one of the server's pages. */
async function expectNoWayBack(page: Page): Promise<void> {
  const last = await suite.browser.follow(page)
  expect(last.next).toBeUndefined()
  expect(new URL(last.url).origin).toBe(server.issuer)
}

test('oidcc-rp-initiated-logout-discovery-endpoint-verification', async () => {
  const { end_session_endpoint } = await suite.discovery()
  expect(new URL(String(end_session_endpoint)).origin).toBe(server.issuer)
})

test('oidcc-rp-initiated-logout', async () => {
  expect((await logOut(complete())).next).toBe(`${postLogoutUri}?state=logout-state`)
  expect(await isLoggedIn()).toBe(false)
})

test('oidcc-rp-initiated-logout-bad-post-logout-redirect-uri', async () => {
  const page = await logOut({ ...complete(), post_logout_redirect_uri: 'https://suite.example/other' })
  expect(page.status).toBe(400)
  await expectNoWayBack(page)
})

test('oidcc-rp-initiated-logout-modified-id-token-hint', async () => {
  const [, payload] = hint.split('.')
  const header = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  await expectNoWayBack(await logOut({ ...complete(), id_token_hint: `${header}.${payload}.` }))
})

test('oidcc-rp-initiated-logout-bad-id-token-hint', async () => {
  const [header, , signature] = hint.split('.')
  const claims = Buffer.from(JSON.stringify({ ...decodeJwt(hint), sub: 'somebody' })).toString('base64url')
  await expectNoWayBack(await logOut({ ...complete(), id_token_hint: `${header}.${claims}.${signature}` }))
})

test('oidcc-rp-initiated-logout-no-id-token-hint', async () => {
  await expectNoWayBack(await logOut({ ...complete(), id_token_hint: undefined }))
})

test('oidcc-rp-initiated-logout-no-params', async () => {
  await expectNoWayBack(await logOut({}))
  expect(await isLoggedIn()).toBe(false)
})

test('oidcc-rp-initiated-logout-no-post-logout-redirect-uri', async () => {
  await expectNoWayBack(await logOut({ id_token_hint: hint, state: 'logout-state' }))
  expect(await isLoggedIn()).toBe(false)
})

test('oidcc-rp-initiated-logout-no-state', async () => {
  expect((await logOut({ ...complete(), state: undefined })).next).toBe(postLogoutUri)
  expect(await isLoggedIn()).toBe(false)
})

test('oidcc-rp-initiated-logout-only-state', async () => {
  await expectNoWayBack(await logOut({ state: 'logout-state' }))
  expect(await isLoggedIn()).toBe(false)
})

test('oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri', async () => {
  const page = await logOut({ ...complete(), post_logout_redirect_uri: `${postLogoutUri}?foo=bar` })
  expect(page.status).toBe(400)
  await expectNoWayBack(page)
})
