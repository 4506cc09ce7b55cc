/** One test for each use of the engine's internals: an upgrade that removes one fails here. */
import { generateJwk } from '../../keys/algorithms.ts'
import { insertKey } from '../../keys/repository.ts'
import { member } from '../mfa/setup.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'
import { answerIn, claimsIn, signedIn, verify } from './support.ts'

let server: Latchkey
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

test('the engine registers its own grants through registerGrantType: a refused refresh emits no grant.success', async () => {
  const { tokens, refresh } = await signedIn(server)
  const successes: unknown[] = []
  server.parts.engine.provider().on('grant.success', (ctx) => successes.push(ctx))
  expect((await refresh(tokens.refresh_token)).status).toBe(200)
  expect(successes).toHaveLength(1)
  server.clock.advance(31_000)
  expect((await refresh(tokens.refresh_token)).status).toBe(400)
  expect(successes).toHaveLength(1)
})

test('the engine registers form_post through registerResponseMode: the page is ours', async () => {
  const { browser, authorizeUrl } = await signedIn(server)
  const page = await browser.get(await authorizeUrl({ response_mode: 'form_post', prompt: 'none' }))
  expect(page.body).toMatch(/src="\/assets\/form-post/)
})

test('Client.find uses our client cache: one engine client for one record, none for a disabled one', async () => {
  const { engine, clients } = server.parts
  const find = () => engine.provider().Client.find('web')
  const first = await find()
  expect(await find()).toBe(first)
  await clients.disable('web', operator)
  await waitFor(async () => (await find()) === undefined)
  await clients.enable('web', operator)
  await waitFor(async () => (await find()) !== undefined)
  expect(await engine.provider().Client.find('')).toBeUndefined()
})

test('compareClientSecret compares with our secret digests', async () => {
  const engineClient = await server.parts.engine.provider().Client.find('web')
  const { compareClientSecret } = engineClient as unknown as { compareClientSecret: (secret: string) => boolean }
  expect(compareClientSecret.call(engineClient, webSecret)).toBe(true)
  expect(compareClientSecret.call(engineClient, String(engineClient?.clientSecret))).toBe(false)
})

test('redirectUriAllowed accepts any port of a native client that is a plain number', async () => {
  const metadata = { client_name: 'Loopback', redirect_uris: ['http://127.0.0.1/cb'] }
  await server.addClient({ clientId: 'loopback', kind: 'native', metadata })
  const client = await server.parts.engine.provider().Client.find('loopback')
  const allowed = (uri: string) => client?.redirectUriAllowed(uri)
  expect(allowed('http://127.0.0.1:5000/cb')).toBe(true)
  expect(['http://127.0.0.1:/cb', 'http://127.0.0.1:080/cb'].map(allowed)).toEqual([false, false])
})

test('includeSid puts sid into every ID token', async () => {
  const { tokens } = await signedIn(server)
  expect(claimsIn(tokens.id_token)).toHaveProperty('sid', expect.any(String))
})

test('OIDCContext.acr can be overridden: the token has the requested class, and the session keeps its own', async () => {
  const { person, phone } = await member(server, 'internals')
  const said: unknown[] = []
  server.parts.engine.provider().once('authorization.success', ({ oidc }) => said.push(oidc.session?.acr))
  const wanted = 'urn:latchkey:acr:password'
  const tokens = await createRelyingParty(server).signIn({ acr_values: wanted }, { ...person, code: phone.code })
  expect([...said, claimsIn(tokens.id_token).acr]).toEqual(['urn:latchkey:acr:mfa', wanted])
})

test('a change of the keys creates a new engine behind the same handler, and a code of the old engine is redeemed on the new one', async () => {
  const { engine, database, sealer, random, keyRing } = server.parts
  const before = engine.provider()
  const { authorize, exchange } = createRelyingParty(server)
  const { code } = await authorize()
  const privateJwk = await generateJwk('ES256')
  const now = server.clock.now()
  await database.transaction((tx) =>
    insertKey(tx, sealer, {
      id: random.id(),
      algorithm: 'ES256',
      privateJwk,
      state: 'announced',
      createdAt: now,
      announcedAt: now,
      activatedAt: undefined,
      retiredAt: undefined,
    }),
  )
  await waitFor(() => engine.provider() !== before, { what: 'the new engine' })
  expect(keyRing.current().publicJwks.map(({ kid }) => kid)).toContain(privateJwk.kid)
  const { status, body } = await exchange(code!)
  expect(status).toBe(200)
  await verify(server, body.id_token, { audience: 'web' })
})

test('IdToken.validate calls our check first: a hint whose key was removed is accepted unverified, and one of a published key is verified', async () => {
  const { engine, signingKeys, keyRing } = server.parts
  const { tokens } = await signedIn(server)
  const validate = async (jwt: string) => {
    const client = await engine.provider().Client.find('web')
    const { IdToken } = engine.provider() as unknown as {
      IdToken: { validate: (jwt: string, client: unknown) => Promise<{ payload: unknown }> }
    }
    return IdToken.validate(jwt, client)
  }
  const kid = JSON.parse(Buffer.from(tokens.id_token.split('.')[0], 'base64url').toString()).kid
  const altered = `${tokens.id_token.slice(0, -20)}${'A'.repeat(20)}`
  await expect(validate(altered)).rejects.toThrow()
  await signingKeys.revoke(kid, operator)
  await waitFor(() => !keyRing.current().publicJwks.some((jwk) => jwk.kid === kid))
  expect((await validate(altered)).payload).toMatchObject({ sub: claimsIn(tokens.id_token).sub })
})

test('Session.ensureClientContainer uses a derived sid', async () => {
  const { tokens, browser, authorizeUrl, exchange } = await signedIn(server)
  const { code } = answerIn(await browser.get(await authorizeUrl({ prompt: 'none' })))
  const again = (await exchange(code!)).body
  expect(claimsIn(again.id_token).sid).toBe(claimsIn(tokens.id_token).sid)
})

test('Session.instantiate creates a new session for a cookie whose session was renamed: no cookie replaces that of another tab', async () => {
  const rp = await signedIn(server)
  const url = await rp.authorizeUrl()
  const before = await rp.browser.jar.getCookieString(server.issuer)
  await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({ prompt: 'consent' })))
  const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({ prompt: 'consent' })))
  await rp.browser.follow(await rp.browser.submit(page, '/consent'))
  const late = await createBrowser().get(url, { Cookie: before })
  expect(late.headers.getSetCookie().filter((cookie) => cookie.startsWith('latchkey.session'))).toEqual([])
})
