/** Authentication levels (OpenID Connect Core 1.0 §5.5.1.1, RFC 9470). */

import { answerIn, claimsIn, sessionCookie } from '../oidc/support.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { says } from '../support/sentences.ts'
import { acr, goodPassword, member, operator, secondsMs } from './setup.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server?.stop())

const essential = (...values: string[]) => JSON.stringify({ id_token: { acr: { essential: true, values } } })

/** A user signed in by password alone, in a remembered browser. */
async function withPasswordOnly(name: string) {
  const who = await member(server, name)
  const rp = createRelyingParty(server)
  await rp.signIn({}, { ...who.person, code: who.phone.code })
  return { ...who, ...rp }
}

async function plain(name: string) {
  const email = `${name}@people.example`
  await server.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  const rp = createRelyingParty(server)
  const tokens = await rp.signIn({}, { email, password: goodPassword })
  return { email, password: goodPassword, tokens, ...rp }
}

/** A session of the level `password`: the account's factor was set up after the login. */
async function enrolledLater(name: string) {
  const who = await plain(name)
  const { addPhone } = await import('./setup.ts')
  return { ...who, ...(await addPhone(server, who.email)) }
}

test('discovery lists the acr values', async () => {
  const metadata = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()
  expect(metadata).toMatchObject({ acr_values_supported: Object.values(acr) })
})

test('a voluntary class requires the code alone, and auth_time stays the time of the password (RFC 9470 §5)', async () => {
  const rp = await enrolledLater('voluntary')
  const before = claimsIn(rp.tokens.id_token)
  const cookieBefore = await rp.browser.jar.getCookieString(server.issuer)
  const sessionBefore = await sessionCookie(rp, server)
  server.clock.advance(secondsMs(120))
  const page = await rp.browser.follow(
    await rp.browser.get(await rp.authorizeUrl({ acr_values: acr.mfa, max_age: '3600' })),
  )
  expect(page.body).not.toContain('name="password"')
  const { code } = await rp.complete(await rp.browser.submit(page, '/factor', { code: rp.phone.code() }))
  const claims = claimsIn((await rp.exchange(code!)).body.id_token)
  expect(claims).toMatchObject({ acr: acr.mfa, amr: ['pwd', 'otp', 'mfa'], auth_time: before.auth_time })
  // The session has another id (ASVS 7.2.4), and the cookie of before is dead.
  expect(await sessionCookie(rp, server)).not.toBe(sessionBefore)
  const silent = await rp.browser.get(await rp.authorizeUrl({ prompt: 'none' }), { Cookie: cookieBefore })
  expect(answerIn(silent).error).toBe('login_required')
})

test('a login older than max_age requires password and code, and auth_time is new', async () => {
  const rp = await withPasswordOnly('old')
  server.clock.advance(secondsMs(120))
  const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({ max_age: '60' })))
  expect(page.body).toContain('name="password"')
  const { code } = await rp.complete(page, { ...rp.person, code: rp.phone.code })
  const claims = claimsIn((await rp.exchange(code!)).body.id_token)
  expect(claims).toMatchObject({ acr: acr.mfa, auth_time: Math.floor(server.clock.now() / 1000) })
})

test('a voluntary class that the account cannot reach is ignored', async () => {
  const rp = await plain('cannot')
  const { code } = answerIn(
    await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({ acr_values: acr.mfa }))),
  )
  expect(claimsIn((await rp.exchange(code!)).body.id_token)).toMatchObject({ acr: acr.password, amr: ['pwd'] })
})

test('a voluntary class never fails a silent request, an essential one does', async () => {
  const rp = await enrolledLater('silent')
  const silent = answerIn(await rp.browser.get(await rp.authorizeUrl({ acr_values: acr.mfa, prompt: 'none' })))
  expect(claimsIn((await rp.exchange(silent.code!)).body.id_token)).toMatchObject({ acr: acr.password })
  const failed = answerIn(await rp.browser.get(await rp.authorizeUrl({ claims: essential(acr.mfa), prompt: 'none' })))
  expect(failed).toMatchObject({ error: 'login_required' })
})

test('an essential class requires the factor in a session without it, and its enrolment by an account without a factor', async () => {
  const rp = await enrolledLater('essential')
  const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({ claims: essential(acr.mfa) })))
  const { code } = await rp.complete(await rp.browser.submit(page, '/factor', { code: rp.phone.code() }))
  expect(claimsIn((await rp.exchange(code!)).body.id_token)).toMatchObject({ acr: acr.mfa })

  const other = await plain('essential-none')
  server.clock.advance(secondsMs(6 * 60))
  const login = await other.browser.follow(
    await other.browser.get(await other.authorizeUrl({ claims: essential(acr.mfa) })),
  )
  // The login is too old to add a factor.
  expect(login.body).toContain('name="password"')
  const enrol = await other.browser.follow(
    await other.browser.submit(login, '/login', { email: other.email, password: other.password }),
  )
  expect(enrol.body).toMatch(says('pages.enrol.heading'))
})

test('acr_values beside an essential claim do not make it voluntary', async () => {
  const rp = await plain('both-ways')
  const page = await rp.browser.follow(
    await rp.browser.get(await rp.authorizeUrl({ claims: essential(acr.mfa), acr_values: acr.password })),
  )
  expect(page.body).toMatch(says('pages.enrol.heading'))
})

test('an unknown class is an error when essential, and ignored otherwise', async () => {
  const rp = await plain('unknown')
  const failed = answerIn(await rp.browser.get(await rp.authorizeUrl({ claims: essential('urn:example:gold') })))
  expect(failed).toMatchObject({ error: 'unmet_authentication_requirements', state: 'the-state' })
  const ignored = answerIn(
    await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({ acr_values: 'urn:example:gold' }))),
  )
  expect(ignored.code).toBeDefined()
})

test('a session with a stronger class satisfies the requested one, and the token has the requested acr', async () => {
  const rp = await withPasswordOnly('stronger')
  for (const parameters of [{ claims: essential(acr.password) }, { acr_values: `urn:example:gold ${acr.password}` }]) {
    const { code } = answerIn(await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl(parameters))))
    expect(claimsIn((await rp.exchange(code!)).body.id_token)).toMatchObject({
      acr: acr.password,
      amr: ['pwd', 'otp', 'mfa'],
    })
  }
  const { code } = answerIn(await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl())))
  expect(claimsIn((await rp.exchange(code!)).body.id_token)).toMatchObject({ acr: acr.mfa })
})

test('a class that requires a passkey does not accept the enrolment of an app, and the page asks for a passkey', async () => {
  const rp = await plain('needs-passkey')
  const page = await rp.browser.follow(
    await rp.browser.get(await rp.authorizeUrl({ claims: essential(acr.phishingResistant) })),
  )
  expect(page.body).toMatch(says('pages.enrol.leadPasskey'))
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
  expect((await rp.browser.post(`${page.url}/enrol`, { csrf, offer: 'x', code: '000000' })).status).toBe(403)
})

test('acr and auth_time are in a JWT, and in the introspection of an opaque token (RFC 9470 §6)', async () => {
  const rp = await enrolledLater('api')
  const { code } = await rp.authorize(
    { acr_values: acr.mfa, scope: 'openid offline_access' },
    { ...rp, code: rp.phone.code },
  )
  const tokens = (await rp.exchange(code!)).body
  const introspected = async (token: string) =>
    (await rp.call('/introspect', { token }, { Authorization: rp.basic('web', webSecret) })).body
  const truth = { acr: acr.mfa, amr: ['pwd', 'otp', 'mfa'], auth_time: claimsIn(tokens.id_token).auth_time }
  expect(await introspected(tokens.access_token)).toMatchObject(truth)
  const later = (await rp.refresh(tokens.refresh_token)).body
  expect(await introspected(later.access_token)).toMatchObject(truth)
  const { code: forApi } = await rp.authorize({ resource: api, scope: 'openid api:read' }, rp)
  const jwt = (await rp.exchange(forApi!, { resource: api })).body.access_token
  expect(claimsIn(jwt)).toMatchObject(truth)
})
