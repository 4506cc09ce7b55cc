/** Authenticator apps and recovery codes at the login (RFC 6238). */
import { sealedLocations } from '../../src/cli/sealed-locations.ts'

import { claimsIn } from '../oidc/support.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { codesOn } from '../support/sentences.ts'
import { acr, codeAt, member, secondsMs, toFactor } from './setup.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server?.stop())

test('the codes are those of RFC 6238 appendix B', () => {
  const secret = Buffer.from('12345678901234567890')
  const expected = { 59: '287082', 1111111109: '081804', 1234567890: '005924', 20000000000: '353130' }
  for (const [seconds, code] of Object.entries(expected)) expect(codeAt(secret, Number(seconds) * 1000)).toBe(code)
})

test('a sign-in with password and code has both in the amr of its ID token', async () => {
  const { person, phone } = await member(server, 'both')
  const rp = createRelyingParty(server)
  const tokens = await rp.signIn({}, { ...person, code: phone.code })
  expect(claimsIn(tokens.id_token)).toMatchObject({ acr: acr.mfa, amr: ['pwd', 'otp', 'mfa'] })
})

test('a code of the previous or next time step is accepted, a code two steps away is not (RFC 6238 §5.2)', async () => {
  const { person, phone } = await member(server, 'drift')
  for (const offset of [-60, 60]) {
    const { browser, page } = await toFactor(server, person)
    const answer = await browser.submit(page, '/factor', { code: phone.code(secondsMs(offset)) })
    expect([offset, answer.status]).toEqual([offset, 400])
    expect(codesOn(answer)).toEqual(['factor_refused'])
  }
  for (const offset of [-30, 30]) {
    server.clock.advance(secondsMs(300))
    const { browser, page } = await toFactor(server, person)
    expect((await browser.submit(page, '/factor', { code: phone.code(secondsMs(offset)) })).status).toBe(200)
  }
})

test('a used code is refused again, and so is every earlier one', async () => {
  const { person, phone } = await member(server, 'spent')
  server.clock.advance(secondsMs(300))
  const first = await toFactor(server, person)
  expect((await first.browser.submit(first.page, '/factor', { code: phone.code() })).status).toBe(200)
  for (const offset of [0, -30]) {
    const again = await toFactor(server, person)
    expect((await again.browser.submit(again.page, '/factor', { code: phone.code(secondsMs(offset)) })).status).toBe(
      400,
    )
  }
})

test('concurrent uses of one code, or of one recovery code: one success', async () => {
  const { person, phone, codes } = await member(server, 'at-once')
  server.clock.advance(secondsMs(300))
  const answers: Record<string, string>[] = [{ code: phone.code() }, { method: 'recovery_code', code: codes[0]! }]
  for (const answer of answers) {
    const logins = []
    for (let count = 0; count < 8; count += 1) logins.push(await toFactor(server, person))
    const pages = await Promise.all(logins.map(({ browser, page }) => browser.submit(page, '/factor', answer)))
    expect(pages.filter(({ status }) => status === 200)).toHaveLength(1)
    server.clock.advance(secondsMs(16 * 60))
  }
})

test('a recovery code replaces the app, in every spelling, and can be used once', async () => {
  const { account, person, codes } = await member(server, 'lost-phone')
  expect(codes).toHaveLength(10)
  expect(new Set(codes).size).toBe(10)
  const typed = ` ${codes[3]!.toLowerCase().replaceAll('-', ' ')} `.replaceAll('0', 'o').replaceAll('1', 'l')
  const { browser, page, exchange } = await toFactor(server, person)
  const next = await browser.follow(await browser.submit(page, '/factor', { method: 'recovery_code', code: typed }))
  const consented = await browser.follow(await browser.submit(next, '/consent'))
  const { code } = Object.fromEntries(new URL(consented.next!).searchParams)
  expect(claimsIn((await exchange(code!)).body.id_token)).toMatchObject({ acr: acr.mfa, amr: ['pwd', 'otp', 'mfa'] })
  expect((await server.parts.factors.show(account.id)).recoveryCodes).toBe(9)
})

test('six wrong codes end the login, and the password still works', async () => {
  const { person, phone } = await member(server, 'guessed')
  const { browser, page } = await toFactor(server, person)
  for (let wrong = 1; wrong <= 5; wrong += 1) {
    expect((await browser.submit(page, '/factor', { code: '000000' })).status).toBe(400)
  }
  const sixth = await browser.submit(page, '/factor', { code: phone.code() })
  expect([sixth.status, sixth.next]).toEqual([403, undefined])
  expect(codesOn(sixth)).toEqual(['factor_tries_used'])
  expect((await browser.submit(page, '/factor', { code: phone.code() })).status).toBe(400)
  expect((await browser.get(page.url)).status).toBe(400)
  const again = await toFactor(server, person)
  expect((await again.browser.submit(again.page, '/factor', { code: phone.code() })).status).toBe(200)
})

test('ten wrong codes of one user lock codes for the rest of a quarter of an hour, in every login', async () => {
  const { person, phone, codes } = await member(server, 'locked')
  const tries = []
  for (let login = 0; login < 2; login += 1) {
    const { browser, page } = await toFactor(server, person)
    for (let wrong = 1; wrong <= 5; wrong += 1) tries.push(browser.submit(page, '/factor', { code: '111111' }))
  }
  expect((await Promise.all(tries)).map(({ status }) => status)).toEqual(Array(10).fill(400))
  const { browser, page } = await toFactor(server, person)
  const locked = await browser.submit(page, '/factor', { code: phone.code() })
  expect(locked.status).toBe(429)
  expect(Number(locked.headers.get('Retry-After'))).toBeGreaterThan(13 * 60)
  expect((await browser.submit(page, '/factor', { method: 'recovery_code', code: codes[0]! })).status).toBe(429)
  server.clock.advance(secondsMs(15 * 60 + 1))
  const later = await toFactor(server, person)
  expect((await later.browser.submit(later.page, '/factor', { code: phone.code() })).status).toBe(200)
})

test('a malformed code is refused like a wrong one', async () => {
  const { person } = await member(server, 'odd')
  for (const code of ['', '12345', '1234567', '１２３４５６', '"><script>']) {
    const { browser, page } = await toFactor(server, person)
    const answer = await browser.submit(page, '/factor', { code })
    expect([code, answer.status]).toEqual([code, 400])
    expect(answer.body).not.toContain('<script>')
    server.clock.advance(secondsMs(16 * 60))
  }
})

test('the secret is stored encrypted, at a location that a change of the master key covers', async () => {
  const { account, phone } = await member(server, 'sealed')
  const place = sealedLocations.find(({ name }) => name === 'totp')!
  const values = await place.list(server.database.knex, undefined, 100)
  const kept = values.find(({ key }) => key === account.id)!
  expect(kept.sealed.includes(phone.secret)).toBe(false)
  expect(server.parts.sealer.open(kept.sealed, kept.aad)).toEqual(phone.secret)
})
