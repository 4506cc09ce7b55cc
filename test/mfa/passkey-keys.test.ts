/**
 * Passkeys whose key, credential id or response no authenticator would make (Web Authentication
 * Level 3 §5.8.5, §7.1, §7.2).
 */

import { generateKeyPairSync } from 'node:crypto'
import type { JWK } from 'jose'
import { byAccount } from '../audit/origins.ts'
import type { Page } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { ecJwk, edJwk, edPoint, exponentOne, forgedRs256, offCurve, rsaJwk } from '../support/public-keys.ts'
import { codesOn } from '../support/sentences.ts'
import type { Cbor, Wrong } from './authenticator.ts'
import { cbor, coseOf, createAuthenticator } from './authenticator.ts'
import { goodPassword, operator, toFactor } from './setup.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server?.stop())

type CoseKey = ReadonlyMap<number, Cbor>

const es256 = -7
const edDsa = -8
const rs256 = -257
const refused = { code: 'passkey_refused', status: 400 }

const plain = (text: string) => text.replaceAll('&#34;', '"').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
const optionsIn = ({ body }: Page) => JSON.parse(plain(/data-passkey="([^"]*)"/.exec(body)![1]!))
const authenticator = (build: { key?: CoseKey; id?: Buffer } = {}) =>
  createAuthenticator({ origin: server.issuer, rpId: 'localhost' }, build)

let people = 0
async function person() {
  people += 1
  const email = `keys-${people}@passkeys.example`
  const id = await server.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  return { email, id, password: goodPassword }
}

/** Registers the authenticator's credential for a new account. */
async function register(device: ReturnType<typeof authenticator>, wrong: Wrong = {}) {
  const who = await person()
  const options = await server.parts.passkeys.creationOptions({ id: who.id, email: who.email }, 'session')
  const response = device.create(options, wrong)
  await server.parts.factors.add({ accountId: who.id, generation: 0, by: byAccount(who.id) }, 'passkey', 'session', {
    response,
    name: 'Phone',
  })
  return who
}

/** An account with a passkey of this key, as if it was registered before the check existed. */
async function planted(key: CoseKey) {
  const device = authenticator({ key })
  const sound = authenticator({ id: device.id })
  const who = await register(sound)
  // The authenticator stores the user handle.
  device.create(await server.parts.passkeys.creationOptions({ id: who.id, email: who.email }, 'session'))
  await server.parts.database
    .knex('passkey')
    .where({ account_id: who.id })
    .update({ public_key: cbor(key) })
  return { device, who }
}

async function loginPage() {
  const rp = createRelyingParty(server)
  return { ...rp, page: await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl({}))) }
}

const symmetric: CoseKey = new Map<number, Cbor>([
  [1, 4],
  [3, es256],
  [-1, Buffer.alloc(32, 7)],
])
const withPrivatePart = (jwk: JWK) => coseOf(jwk, es256).set(-4, Buffer.alloc(32, 7))
const compressed = () => {
  const key = coseOf(ecJwk(), es256)
  key.delete(-3)
  return key
}

const badKeys: [string, () => CoseKey][] = [
  ['RSA with e = 1', () => coseOf(exponentOne(), rs256)],
  ['RSA of 1024 bits', () => coseOf(rsaJwk(1024), rs256)],
  ['a point off its curve', () => coseOf(offCurve(), es256)],
  ['a symmetric key', () => symmetric],
  ['an Ed25519 point of small order', () => coseOf(edPoint(1), edDsa)],
  ['a private part in it', () => withPrivatePart(ecJwk())],
  ['no second coordinate', compressed],
  ['another curve than its algorithm’s', () => coseOf(ecJwk('P-384'), es256)],
  ['another type than its algorithm’s', () => coseOf(ecJwk(), rs256)],
  ['the members of another type than it names', () => coseOf(rsaJwk(), rs256).set(1, 2)],
  ['the point of another curve than it names', () => coseOf(ecJwk(), es256).set(-1, 2)],
  ['no map', () => new Map()],
]

describe('a passkey with', () => {
  test.each(badKeys)('%s is not registered', async (_name, key) => {
    await expect(register(authenticator({ key: key() }))).rejects.toMatchObject(refused)
  })

  test('RSA, P-256 and Ed25519 is registered, and with RSA and P-256 it signs in', async () => {
    for (const [type, options, alg] of [
      ['rsa', { modulusLength: 2048 }, rs256],
      ['ec', { namedCurve: 'P-256' }, es256],
    ] as const) {
      const { publicKey, privateKey } = generateKeyPairSync(type as 'rsa', options as { modulusLength: number })
      const device = authenticator({ key: coseOf(publicKey.export({ format: 'jwk' }) as JWK, alg) })
      const { id } = await register(device)
      const answer = device.use(await server.parts.passkeys.requestOptions('login'), { signedWith: privateKey })
      expect(await server.parts.passkeys.signIn(answer, 'login')).toMatchObject({ accountId: id })
    }
    await register(authenticator({ key: coseOf(edJwk(), edDsa) }))
  })

  test.each(badKeys)('%s that is stored already does not sign in, alone or as second factor', async (_name, key) => {
    const { device, who } = await planted(key())
    const wrong = { signature: (data: Buffer) => forgedRs256(data) }
    const { page, browser } = await loginPage()
    const alone = await browser.submit(page, '/passkey', { response: device.use(optionsIn(page), wrong) })
    expect([alone.status, alone.next]).toEqual([400, undefined])
    expect(codesOn(alone)).toEqual(['passkey_refused'])
    const second = await toFactor(server, who)
    const response = device.use(optionsIn(second.page), wrong)
    expect((await second.browser.submit(second.page, '/factor', { method: 'passkey', response })).status).toBe(400)
    expect((await server.parts.revocation.listAccess(who.id)).sessions).toEqual([])
  })

  test('RSA of 1024 bits that is stored already does not sign in with its own signature', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const { device } = await planted(coseOf(publicKey.export({ format: 'jwk' }) as JWK, rs256))
    const answer = device.use(await server.parts.passkeys.requestOptions('login'), { signedWith: privateKey })
    await expect(server.parts.passkeys.signIn(answer, 'login')).rejects.toMatchObject(refused)
  })
})

describe('a credential id', () => {
  test.each([1, 1023])('of %d bytes is accepted', async (length) => {
    const device = authenticator({ id: Buffer.alloc(length, length & 255) })
    await expect(register(device)).resolves.toMatchObject({})
  })

  test.each([0, 1024, 4000])('of %d bytes is refused with 400', async (length) => {
    await expect(register(authenticator({ id: Buffer.alloc(length, 3) }))).rejects.toMatchObject(refused)
    const who = await person()
    const { page, browser } = await toFactor(server, who, {
      claims: JSON.stringify({
        id_token: { acr: { essential: true, value: 'urn:latchkey:acr:mfa-phishing-resistant' } },
      }),
    })
    const response = authenticator({ id: Buffer.alloc(length, 3) }).create(optionsIn(page))
    const answer = await browser.submit(page, '/enrol-passkey', { response, name: '' })
    expect(answer.status).toBe(400)
  })
})

describe('a user handle', () => {
  test.each([7, true, null, {}, ['AA'], { length: 32 }])(
    'that is %j and not a string gets the usual refusal, at every passkey form',
    async (userHandle) => {
      const device = authenticator()
      const who = await register(device)
      const { page, browser } = await loginPage()
      const alone = await browser.submit(page, '/passkey', { response: device.use(optionsIn(page), { userHandle }) })
      expect(alone.status).toBe(400)
      expect(codesOn(alone)).toEqual(['passkey_refused'])
      const second = await toFactor(server, who)
      const response = device.use(optionsIn(second.page), { userHandle })
      expect((await second.browser.submit(second.page, '/factor', { method: 'passkey', response })).status).toBe(400)
      const options = await server.parts.passkeys.requestOptions('login')
      await expect(server.parts.passkeys.signIn(device.use(options, { userHandle }), 'login')).rejects.toMatchObject(
        refused,
      )
    },
  )

  test.each([undefined, ''])(
    'that is missing (%j) does not sign in without a known account (§7.2)',
    async (userHandle) => {
      const device = authenticator()
      await register(device)
      const { page, browser } = await loginPage()
      const answer = await browser.submit(page, '/passkey', { response: device.use(optionsIn(page), { userHandle }) })
      expect([answer.status, answer.next]).toEqual([400, undefined])
      expect(codesOn(answer)).toEqual(['passkey_refused'])
    },
  )

  test('may be missing in a second factor, because the account is known', async () => {
    const device = authenticator()
    const who = await register(device)
    const { page, browser, complete } = await toFactor(server, who)
    const response = device.use(optionsIn(page), { userHandle: undefined })
    const { code } = await complete(await browser.submit(page, '/factor', { method: 'passkey', response }))
    expect(code).toEqual(expect.any(String))
  })
})

describe('client data', () => {
  const framed: Record<string, unknown>[] = [
    { crossOrigin: true },
    { crossOrigin: 1 },
    { crossOrigin: true, topOrigin: 'https://evil.example' },
    { topOrigin: 'https://evil.example' },
  ]

  test.each(framed)('of a frame in another site’s page (%j) is refused at registration', async (clientData) => {
    await expect(register(authenticator(), { clientData })).rejects.toMatchObject(refused)
  })

  test.each(framed)('of a frame in another site’s page (%j) is refused at a sign-in', async (clientData) => {
    const device = authenticator()
    await register(device)
    const answer = device.use(await server.parts.passkeys.requestOptions('login'), { clientData })
    await expect(server.parts.passkeys.signIn(answer, 'login')).rejects.toMatchObject(refused)
  })

  test('without crossOrigin is accepted', async () => {
    const device = authenticator()
    const { id } = await register(device, { clientData: { crossOrigin: undefined } })
    const answer = device.use(await server.parts.passkeys.requestOptions('login'), {
      clientData: { crossOrigin: undefined },
    })
    expect(await server.parts.passkeys.signIn(answer, 'login')).toMatchObject({ accountId: id })
  })
})

test.each([7, 'internal', {}, null, [null], [7, 'usb']])('invalid transports (%j) are ignored', async (transports) => {
  const { id } = await register(authenticator(), { transports })
  const [kept] = await server.parts.passkeys.list(id)
  expect(kept?.transports).toEqual(Array.isArray(transports) ? transports.filter((one) => one === 'usb') : [])
})
