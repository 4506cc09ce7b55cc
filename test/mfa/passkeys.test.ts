/** Passkeys (Web Authentication Level 3 §7.1, §7.2), tested with the software authenticator. */

import { createHmac, generateKeyPairSync } from 'node:crypto'
import { createChallenges } from '../../src/mfa/methods/passkey/challenges.ts'
import type { Random } from '../../src/random.ts'
import { systemRandom } from '../../src/random.ts'
import { byAccount } from '../audit/origins.ts'
import { claimsIn, minutes } from '../oidc/support.ts'
import type { Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { codesOn, says } from '../support/sentences.ts'
import type { Wrong } from './authenticator.ts'
import { createAuthenticator } from './authenticator.ts'
import { acr, addPhone, goodPassword, operator, secondsMs, toFactor } from './setup.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server?.stop())

const plain = (text: string) => text.replaceAll('&#34;', '"').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
const optionsIn = ({ body }: Page) => JSON.parse(plain(/data-passkey="([^"]*)"/.exec(body)![1]!))
const authenticator = () => createAuthenticator({ origin: server.issuer, rpId: 'localhost' })

async function person(name: string) {
  const email = `${name}@passkeys.example`
  const id = await server.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  return { email, id, password: goodPassword }
}

/** A new account with a passkey. */
async function holder(name: string) {
  const who = await person(name)
  const device = authenticator()
  const options = await server.parts.passkeys.creationOptions({ id: who.id, email: who.email }, 'session')
  const response = device.create(options)
  const codes = await server.parts.factors.add(
    { accountId: who.id, generation: 0, by: byAccount(who.id) },
    'passkey',
    'session',
    {
      response,
      name: 'Phone',
    },
  )
  return { ...who, device, codes }
}

async function loginPage(parameters: Record<string, string> = {}) {
  const rp = createRelyingParty(server)
  return { ...rp, page: await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl(parameters))) }
}

test('a passkey alone signs in, counts as two factors, and gives the strongest class', async () => {
  const { device, id, codes } = await holder('alone')
  expect(codes).toHaveLength(10)
  const { page, browser, complete, exchange } = await loginPage()
  const { code } = await complete(await browser.submit(page, '/passkey', { response: device.use(optionsIn(page)) }))
  const claims = claimsIn((await exchange(code!)).body.id_token)
  expect(claims).toMatchObject({ sub: id, acr: acr.phishingResistant, amr: ['pop', 'user', 'mfa'] })
  expect((await server.parts.passkeys.list(id))[0]).toMatchObject({
    lastUsedAt: server.clock.now(),
    transports: ['internal'],
  })
})

test('a passkey signs in while the password is locked', async () => {
  const { device, id, email } = await holder('locked-out')
  const guess = { email, password: 'not the password' }
  let answer: Page | undefined
  for (let tries = 1; tries <= 11; tries += 1) {
    const { page, browser } = await loginPage()
    answer = await browser.submit(page, '/login', guess)
  }
  expect([answer?.status, codesOn(answer!)]).toEqual([429, ['sign_in_locked']])
  const { page, browser, complete, exchange } = await loginPage()
  const { code } = await complete(await browser.submit(page, '/passkey', { response: device.use(optionsIn(page)) }))
  expect(claimsIn((await exchange(code!)).body.id_token)).toMatchObject({ sub: id })
})

test('a challenge of the previous version, with 128 random bits, is accepted until the next release', () => {
  const key = Buffer.alloc(32, 5)
  const { isLiving } = createChallenges({ key, clock: server.clock, random: systemRandom })
  const challengeWith = (randomBytes: number): string => {
    const expiry = Buffer.alloc(6)
    expiry.writeUIntBE(server.clock.now() + 1_000, 0, 6)
    const head = Buffer.concat([expiry, systemRandom.bytes(randomBytes)])
    const mac = createHmac('sha256', key).update(head).update('latchkey passkey\0login').digest()
    return Buffer.concat([head, mac]).toString('base64url')
  }
  expect([32, 16, 8].map((bytes) => isLiving(challengeWith(bytes), 'login'))).toEqual([true, true, false])
})

test('a challenge has 256 random bits', async () => {
  const asked: number[] = []
  const random: Random = {
    ...systemRandom,
    bytes: (count) => {
      asked.push(count)
      return systemRandom.bytes(count)
    },
  }
  const { make } = createChallenges({ key: Buffer.alloc(32), clock: server.clock, random })
  const [first, second] = [make('login'), make('login')]
  expect(asked).toEqual([32, 32])
  expect(first.equals(second)).toBe(false)
})

test('a challenge of a new passkey is answered once, also by another authenticator', async () => {
  const { id, email } = await person('registers-twice')
  const options = await server.parts.passkeys.creationOptions({ id, email }, 'session')
  const add = (device: ReturnType<typeof authenticator>) => {
    const caller = { accountId: id, generation: 0, by: byAccount(id) }
    return server.parts.factors.add(caller, 'passkey', 'session', { response: device.create(options), name: 'Phone' })
  }
  await add(authenticator())
  await expect(add(authenticator())).rejects.toMatchObject({ code: 'passkey_refused' })
})

test('a passkey after a password is the second factor, and gives an essential strongest class', async () => {
  const { device, ...who } = await holder('beside')
  const { page, browser, complete, exchange } = await toFactor(server, who, {
    claims: JSON.stringify({ id_token: { acr: { essential: true, value: acr.phishingResistant } } }),
  })
  const options = optionsIn(page)
  expect(options.allowCredentials).toEqual([
    { id: device.id.toString('base64url'), transports: ['internal'], type: 'public-key' },
  ])
  const answer = await browser.submit(page, '/factor', { method: 'passkey', response: device.use(options) })
  const { code } = await complete(answer)
  expect(claimsIn((await exchange(code!)).body.id_token)).toMatchObject({
    acr: acr.phishingResistant,
    amr: ['pwd', 'pop', 'user', 'mfa'],
  })
})

test.each(['passkey', 'recovery_code'] as const)(
  'a %s sent twice, as by a double click, continues twice',
  async (method) => {
    const { device, codes, ...who } = await holder(`twice-${method}`)
    const { page, browser } = await toFactor(server, who)
    const answer: Record<string, string> =
      method === 'passkey' ? { response: device.use(optionsIn(page)) } : { code: codes![0]! }
    const send = () => browser.submit(page, '/factor', { method, ...answer })
    const answers = [...(await Promise.all([send(), send()])), await send()]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(new Set(answers.map(({ next }) => next)).size).toBe(1)
    // The next sign-in needs another answer.
    const later = await toFactor(server, who)
    expect((await later.browser.submit(later.page, '/factor', { method, ...answer })).status).toBe(400)
  },
)

describe('refused with 400, without a sign-in', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const wrongs: [string, Wrong][] = [
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['a subdomain', { origin: 'http://login.localhost' }],
    ['another RP id', { rpId: 'evil.example' }],
    ['no user verification', { isVerified: false }],
    ['an invented challenge', { challenge: Buffer.alloc(70, 7).toString('base64url') }],
    ['an empty challenge', { challenge: '' }],
    ['another key', { signedWith: other }],
    ['the answer to another ceremony', { type: 'webauthn.create' }],
    ['the handle of another person', { userHandle: Buffer.alloc(32, 1).toString('base64url') }],
    ['a counter that went back', { counter: 1 }],
  ]
  test.each(wrongs)('%s', async (name, wrong) => {
    const { device, id } = await holder(name.replaceAll(' ', '-'))
    const { page, browser } = await loginPage()
    const options = optionsIn(page)
    // The counter increases by one with each use.
    if (wrong.counter !== undefined) await server.parts.passkeys.signIn(device.use(options), uidIn(page))
    const again = await loginPage()
    const login = wrong.counter === undefined ? { page, browser } : again
    const answer = await login.browser.submit(login.page, '/passkey', {
      response: device.use(optionsIn(login.page), wrong),
    })
    expect([answer.status, answer.next]).toEqual([400, undefined])
    expect(codesOn(answer)).toEqual(['passkey_refused'])
    expect((await server.parts.revocation.listAccess(id)).sessions).toEqual([])
  })

  const uidIn = (page: Page) => /interaction\/([\w-]+)/.exec(page.url)![1]!

  test('a challenge used again, of another login, or after five minutes', async () => {
    const { device } = await holder('replayed')
    const first = await loginPage()
    const options = optionsIn(first.page)
    const answer = device.use(options)
    const second = await loginPage()
    expect((await second.browser.submit(second.page, '/passkey', { response: answer })).status).toBe(400)
    expect((await first.browser.submit(first.page, '/passkey', { response: answer })).status).toBe(200)
    expect((await first.browser.submit(first.page, '/passkey', { response: answer })).status).toBe(400)
    server.clock.advance(minutes(5))
    expect(
      (await second.browser.submit(second.page, '/passkey', { response: device.use(optionsIn(second.page)) })).status,
    ).toBe(400)
  })

  test('many concurrent uses of one response: one sign-in', async () => {
    const { device } = await holder('at-once')
    const response = device.use(await server.parts.passkeys.requestOptions('login'))
    const answers = await Promise.allSettled(
      Array.from({ length: 30 }, () => server.parts.passkeys.signIn(response, 'login')),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('the second use of a response of an authenticator without a counter', async () => {
    const who = await person('no-counter')
    const device = authenticator()
    const options = await server.parts.passkeys.creationOptions({ id: who.id, email: who.email }, 'session')
    const made = { response: device.create(options, { counter: 0 }), name: 'Phone' }
    await server.parts.factors.add(
      { accountId: who.id, generation: 0, by: byAccount(who.id) },
      'passkey',
      'session',
      made,
    )
    const answer = device.use(await server.parts.passkeys.requestOptions('login'), { counter: 0 })
    expect(await server.parts.passkeys.signIn(answer, 'login')).toMatchObject({ accountId: who.id })
    await expect(server.parts.passkeys.signIn(answer, 'login')).rejects.toMatchObject({ code: 'passkey_refused' })
  })

  test('another user’s passkey as second factor, and malformed responses', async () => {
    const mine = await holder('mine-own')
    const theirs = await holder('theirs-own')
    for (const response of [
      theirs.device.use,
      () => '',
      () => '{}',
      () => '{"id":7}',
      () => 'null',
      () => '{"id":"AA"}',
    ]) {
      const { page, browser } = await toFactor(server, mine)
      const answer = await browser.submit(page, '/factor', { method: 'passkey', response: response(optionsIn(page)) })
      expect(answer.status).toBe(400)
    }
  })

  test('a disabled user', async () => {
    const { device, id } = await holder('disabled-one')
    await server.parts.accounts.disable(id, operator)
    const { page, browser } = await loginPage()
    expect((await browser.submit(page, '/passkey', { response: device.use(optionsIn(page)) })).status).toBe(400)
  })
})

describe('registration of a passkey', () => {
  test('requires this origin, this session, user verification and a new credential', async () => {
    const who = await person('adds')
    const { factors, passkeys } = server.parts
    const account = { id: who.id, email: who.email }
    const add = (response: string, binding = 'session') =>
      factors.add({ accountId: who.id, generation: 0, by: byAccount(who.id) }, 'passkey', binding, {
        response,
        name: '',
      })
    const refused = { code: 'passkey_refused', status: 400 }
    for (const wrong of [
      { origin: 'https://evil.example' },
      { rpId: 'evil.example' },
      { isVerified: false },
      { type: 'webauthn.get' },
    ]) {
      const options = await passkeys.creationOptions(account, 'session')
      await expect(add(authenticator().create(options, wrong))).rejects.toMatchObject(refused)
    }
    const device = authenticator()
    const options = await passkeys.creationOptions(account, 'session')
    await expect(add(device.create(options), 'another session')).rejects.toMatchObject(refused)
    const made = device.create(options)
    await add(made)
    await expect(add(made)).rejects.toMatchObject(refused)
    const once = await passkeys.creationOptions(account, 'session')
    expect(once.excludeCredentials).toHaveLength(1)
    await expect(add(device.create(once))).rejects.toMatchObject(refused)
    expect(once.authenticatorSelection).toMatchObject({ residentKey: 'required', userVerification: 'required' })
    expect(await server.parts.passkeys.list(who.id)).toHaveLength(1)
  })

  test('at a login that requires one, and the login continues', async () => {
    const who = await person('at-login')
    const { page, browser, complete, exchange } = await toFactor(server, who, {
      claims: JSON.stringify({ id_token: { acr: { essential: true, value: acr.phishingResistant } } }),
    })
    expect(page.body).toMatch(says('pages.enrol.leadPasskey'))
    const response = authenticator().create(optionsIn(page))
    const codes = await browser.submit(page, '/enrol-passkey', { response, name: 'Laptop' })
    const { code } = await complete(await browser.submit(codes, '/enrolled'))
    expect(claimsIn((await exchange(code!)).body.id_token)).toMatchObject({ acr: acr.phishingResistant })
  })

  test('on the account page, with a name; the removal of one keeps the other and the app', async () => {
    const who = await holder('collector')
    const browser = createBrowser()
    const start = await browser.follow(await browser.get(`${server.issuer}/account/factors`))
    const signedIn = await browser.submit(start, '/passkey', { response: who.device.use(optionsIn(start)) })
    const page = await browser.follow(signedIn)
    expect(page.body).toContain('Phone')
    const more = await browser.submit(page, '/passkeys', {
      response: authenticator().create(optionsIn(page)),
      name: ' <b>Key</b>\u202e ',
    })
    const listed = await browser.follow(more)
    expect(listed.body).toContain('&lt;b&gt;Key&lt;/b&gt;')
    expect((await browser.submit(listed, '/passkeys', { response: '{}', name: '' })).status).toBe(400)
    await addPhone(server, who.email)
    server.clock.advance(secondsMs(30))
    await browser.submit(listed, '/passkeys/remove')
    const left = await server.parts.passkeys.list(who.id)
    expect(left.map(({ name }) => name)).toEqual(['<b>Key</b>'])
    const { id: foreign } = (await server.parts.passkeys.list((await holder('neighbour')).id))[0]!
    const csrf = /name="csrf" value="([^"]+)"/.exec(listed.body)![1]!
    const stolen = await browser.post(`${server.issuer}/account/factors/passkeys/remove`, { csrf, passkey: foreign })
    expect(stolen.status).toBe(404)
    await server.parts.factors.require(who.id, true, operator)
    await server.parts.factors.remove({ accountId: who.id, generation: 0, by: byAccount(who.id) }, 'totp')
    await expect(
      server.parts.factors.remove({ accountId: who.id, generation: 0, by: byAccount(who.id) }, 'passkey', left[0]!.id),
    ).rejects.toMatchObject({
      code: 'factor_needed',
    })
  })
})
