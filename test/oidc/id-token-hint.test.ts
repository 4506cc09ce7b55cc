/**
 * An id_token_hint whose key was removed or revoked, or whose algorithm the client no longer uses.
 */
import { generateKeyPair, SignJWT } from 'jose'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { says } from '../support/sentences.ts'
import { waitFor } from '../support/wait.ts'
import { answerIn, claimsIn, signedIn } from './support.ts'

let server: Latchkey
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const home = 'https://app.example/'

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const headerOf = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[0]!, 'base64url').toString())
const logoutUrl = (parameters: Record<string, string>) => `${server.issuer}/logout?${new URLSearchParams(parameters)}`

/** Removes the key that signed `jwt` from the ring. */
async function loseKey(jwt: string): Promise<void> {
  const { kid } = headerOf(jwt)
  await server.parts.signingKeys.revoke(kid, operator)
  await waitFor(() => !server.parts.keyRing.current().publicJwks.some((key) => key.kid === kid))
}

/** A browser in which alice is signed in, with an ID token whose key was removed. */
async function withLostKey() {
  const rp = await signedIn(server)
  await loseKey(rp.tokens.id_token)
  return { ...rp, hint: rp.tokens.id_token as string }
}

test('at logout a hint of a removed key shows the confirmation page, and then redirects to the registered URI', async () => {
  const { browser, hint } = await withLostKey()
  const page = await browser.get(logoutUrl({ id_token_hint: hint, post_logout_redirect_uri: home, state: 'bye' }))
  expect(page.status).toBe(200)
  expect(page.body).toContain('alice@example.com')
  expect(page.body).toContain('Web App')
  const answer = await browser.submit(page, '/confirm', { logout: 'yes' })
  expect(answer.next).toBe(`${home}?state=bye`)
})

test('at logout an unregistered redirect URI, and a client_id of another client, are answered on a page', async () => {
  const { browser, hint } = await withLostKey()
  for (const parameters of [{ post_logout_redirect_uri: 'https://evil.example/' }, { client_id: 'spa' }] as Record<
    string,
    string
  >[]) {
    const page = await browser.get(logoutUrl({ id_token_hint: hint, ...parameters }))
    expect([page.status, page.next]).toEqual([400, undefined])
  }
})

test('at logout a hint of a disabled client leads to the confirmation page', async () => {
  const rp = await withLostKey()
  await server.parts.clients.disable('web', operator)
  await waitFor(async () => (await server.parts.clients.findById('web'))?.isDisabled)
  const page = await rp.browser.get(logoutUrl({ id_token_hint: rp.hint, post_logout_redirect_uri: home }))
  expect(page.status).toBe(200)
  expect((await rp.browser.follow(await rp.browser.submit(page, '/confirm', { logout: 'yes' }))).url).toContain(
    '/logout/success',
  )
  await server.parts.clients.enable('web', operator)
  await waitFor(async () => (await server.parts.clients.findById('web'))?.isDisabled === false)
})

test('at authorization a hint of a removed key still identifies its user: the same user gets a code', async () => {
  const { browser, authorizeUrl, hint } = await withLostKey()
  const answer = answerIn(await browser.get(await authorizeUrl({ prompt: 'none', id_token_hint: hint })))
  expect(answer).toHaveProperty('code')
})

test('at authorization another user gets login_required with prompt=none, and otherwise the login page (OpenID Connect Core 1.0 §3.1.2.1)', async () => {
  const { hint } = await withLostKey()
  await server.parts.accounts.create(
    { email: 'bob@example.com', isEmailVerified: true, name: 'Bob', password: 'a different long password' },
    operator,
  )
  const other = await signedIn(server)
  const bob = createBrowser()
  const rp = createRelyingParty(server, bob)
  await rp.complete(await bob.get(await rp.authorizeUrl()), {
    email: 'bob@example.com',
    password: 'a different long password',
  })
  const answer = answerIn(await bob.get(await rp.authorizeUrl({ prompt: 'none', id_token_hint: hint })))
  expect(answer).toMatchObject({ error: 'login_required' })
  const page = await bob.follow(await bob.get(await rp.authorizeUrl({ id_token_hint: hint })))
  expect(page.body).toContain('name="password"')
  // Alice's session is unaffected.
  expect(answerIn(await other.browser.get(await other.authorizeUrl({ prompt: 'none' })))).toHaveProperty('code')
})

test('a hint without a valid signature can require a sign-in, and never gives access', async () => {
  const rp = await signedIn(server)
  const { privateKey } = await generateKeyPair('RS256')
  const forged = (claims: Record<string, unknown>) =>
    new SignJWT({ ...claimsIn(rp.tokens.id_token), ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'nobody' })
      .sign(privateKey)
  const ask = async (hint: string) => rp.browser.get(await rp.authorizeUrl({ prompt: 'none', id_token_hint: hint }))
  expect(answerIn(await ask(await forged({ sub: 'somebody-else' })))).toMatchObject({ error: 'login_required' })
  for (const claims of [{ iss: 'https://evil.example' }, { aud: 'spa' }]) {
    expect(answerIn(await ask(await forged(claims)))).toMatchObject({ error: 'invalid_request' })
  }
  // At logout its session id has no effect: the user is asked to confirm.
  const page = await rp.browser.get(logoutUrl({ id_token_hint: await forged({}) }))
  expect([page.status, page.next]).toEqual([200, undefined])
  expect(page.body).toMatch(says('pages.logout.heading'))
})

test('a hint with a wrong signature under a published key is an error', async () => {
  const rp = await signedIn(server)
  const [header, , signature] = rp.tokens.id_token.split('.')
  const payload = Buffer.from(JSON.stringify({ ...claimsIn(rp.tokens.id_token), sub: 'x' })).toString('base64url')
  const page = await rp.browser.get(logoutUrl({ id_token_hint: [header, payload, signature].join('.') }))
  expect(page.status).toBe(400)
})

test('a hint from before the client chose another algorithm leads to the confirmation page', async () => {
  await server.addClient({
    clientId: 'mover',
    kind: 'web',
    secret: webSecret,
    metadata: { client_name: 'Mover', redirect_uris: [callback], scope: 'openid' },
  })
  const rp = createRelyingParty(server)
  const { code } = await rp.authorize({ client_id: 'mover' })
  const answer = await rp.token(
    { grant_type: 'authorization_code', code: code!, redirect_uri: callback, code_verifier: rp.verifier },
    { Authorization: rp.basic('mover', webSecret) },
  )
  expect(answer.status).toBe(200)
  await server.parts.clients.replace(
    {
      clientId: 'mover',
      kind: 'web',
      metadata: {
        client_name: 'Mover',
        redirect_uris: [callback],
        scope: 'openid',
        id_token_signed_response_alg: 'ES256',
      },
    },
    operator,
  )
  await waitFor(
    async () => (await server.parts.clients.findById('mover'))?.metadata.id_token_signed_response_alg === 'ES256',
  )
  const page = await rp.browser.get(logoutUrl({ id_token_hint: answer.body.id_token }))
  expect(page.status).toBe(200)
})
