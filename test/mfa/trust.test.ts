/** Passkeys after a password reset: they sign in alone again after one use with the password. */

import { createHash } from 'node:crypto'
import { createLogin } from '../../src/login/service.ts'
import * as passkeyRows from '../../src/mfa/methods/passkey/repository.ts'
import * as recoveryCodeRows from '../../src/mfa/methods/recovery-code/repository.ts'
import * as totpRows from '../../src/mfa/methods/totp/repository.ts'
import { byAccount, testOrigin } from '../audit/origins.ts'
import { claimsIn } from '../oidc/support.ts'
import type { Page } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { codesOn, says } from '../support/sentences.ts'
import { createAuthenticator } from './authenticator.ts'
import { acr, addPhone, goodPassword, member, operator, secondsMs, toFactor } from './setup.ts'

let server: Latchkey
let mailbox: Mailbox
beforeAll(async () => {
  mailbox = await startMailbox()
  server = await startLatchkey({ env: { SMTP_URL: mailbox.url } })
})
afterAll(async () => {
  await server?.stop()
  await mailbox?.close()
})

const newPassword = 'chosen after the theft'
const plain = (text: string) => text.replaceAll('&#34;', '"').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
const optionsIn = ({ body }: Page) => JSON.parse(plain(/data-passkey="([^"]*)"/.exec(body)![1]!))

/** An account with a passkey. */
async function holder(name: string) {
  const email = `${name}@trust.example`
  const { accounts, factors, passkeys } = server.parts
  const id = await accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  const device = createAuthenticator({ origin: server.issuer, rpId: 'localhost' })
  const response = device.create(await passkeys.creationOptions({ id, email }, 'session'))
  await factors.add({ accountId: id, generation: 0, by: byAccount(id) }, 'passkey', 'session', {
    response,
    name: 'Phone',
  })
  return { email, id, device }
}

async function signInAlone({ device }: Pick<Awaited<ReturnType<typeof holder>>, 'device'>) {
  const rp = createRelyingParty(server)
  const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
  return { ...rp, answer: await rp.browser.submit(page, '/passkey', { response: device.use(optionsIn(page)) }) }
}

async function recover(email: string) {
  const { browser } = createRelyingParty(server)
  await browser.submit(await browser.get(`${server.issuer}/recover`), '/recover', { email })
  const { link } = await mailbox.waitFor(email, 'recovery')
  await browser.submit(await browser.get(link!), '/recover/password', { password: newPassword })
}

describe.each(['recovery', 'set-password'] as const)('after %s', (kind) => {
  const reset = async ({ email, id }: { email: string; id: string }) => {
    if (kind === 'recovery') await recover(email)
    else await server.parts.accounts.setPassword(id, newPassword, operator)
  }

  test('a passkey does not sign in alone until it was used once with the new password', async () => {
    const who = await holder(`planted-${kind}`)
    expect((await signInAlone(who)).answer.status).toBe(200)
    await reset(who)
    const refused = await signInAlone(who)
    expect([refused.answer.status, refused.answer.next]).toEqual([403, undefined])
    expect(codesOn(refused.answer)).toEqual(['passkey_needs_password'])
    expect((await server.parts.revocation.listAccess(who.id)).sessions).toEqual([])
    // The refused use does not restore the passkey.
    expect((await signInAlone(who)).answer.status).toBe(403)

    const beside = await toFactor(server, { email: who.email, password: newPassword })
    const options = optionsIn(beside.page)
    const answer = await beside.browser.submit(beside.page, '/factor', {
      method: 'passkey',
      response: who.device.use(options),
    })
    const { code } = await beside.complete(answer)
    expect(claimsIn((await beside.exchange(code!)).body.id_token)).toMatchObject({ amr: ['pwd', 'pop', 'user', 'mfa'] })
    expect((await signInAlone(who)).answer.status).toBe(200)
  })
})

test('a password change by the owner does not affect passkeys', async () => {
  const who = await holder('own-change')
  await server.parts.accountChanges.changePassword({
    origin: testOrigin,
    accountId: who.id,
    proof: { password: goodPassword },
    newPassword,
  })
  expect((await signInAlone(who)).answer.status).toBe(200)
})

test('a passkey use from the generation before the reset, or without the password, does not restore the passkey', async () => {
  const who = await holder('late')
  const { knex } = server.database
  await server.parts.accounts.setPassword(who.id, newPassword, operator)
  const [passkey] = await server.parts.passkeys.list(who.id)
  const use = { id: passkey!.id, accountId: who.id, counter: 50, at: server.clock.now() }
  expect(await passkeyRows.noteUse(knex, { ...use, generation: 0, isBesidePassword: true })).toBe(false)
  expect(await passkeyRows.noteUse(knex, { ...use, generation: 1, isBesidePassword: false })).toBe(false)
  expect(await passkeyRows.noteUse(knex, { ...use, generation: 1, isBesidePassword: true })).toBe(true)
  expect((await server.parts.passkeys.list(who.id))[0]).toMatchObject({ needsPassword: false, counter: 50 })
})

test('a reset between the passkey and the next step ends the sign-in', async () => {
  const who = await holder('between')
  const { passkeys, accounts, loginSteps } = server.parts
  const options = await passkeys.requestOptions('between')
  const proven = await passkeys.signIn(who.device.use(options), 'between')
  expect(proven).toEqual({ accountId: who.id, generation: 0, needsPassword: false })
  await accounts.disable(who.id, operator)
  await accounts.enable(who.id, operator)
  const asked = {
    uid: 'between-passkey-and-steps',
    clientId: 'web',
    demand: { level: 'password', isEssential: false },
    currentLogin: undefined,
  } as const
  const began = loginSteps.begin(asked, { id: who.id, generation: proven.generation }, 'passkey', {
    origin: testOrigin,
  })
  await expect(began).rejects.toMatchObject({ code: 'factor_not_asked' })
})

test('a sign-in continues only in the generation that was read with the passkey', async () => {
  const account = { id: 'a', isDisabled: false, generation: 1 }
  const refused: string[] = []
  const signInWith = (generation: number) =>
    createLogin({
      accounts: { readById: async () => account },
      provePasskey: async () => ({ accountId: 'a', generation, needsPassword: false }),
      refusePasskey: () => {
        throw new Error('refused')
      },
      refuseUnproven: async () => {},
      transaction: async () => void refused.push('recorded'),
    } as never).signInWithPasskey({ response: '', clientId: 'web', origin: testOrigin, interactionUid: 'x' })
  await expect(signInWith(0)).rejects.toThrow('refused')
  expect(await signInWith(1)).toBe(account)
})

test('a code and a recovery code are spent only in the generation of their sign-in', async () => {
  const { account, codes } = await member(server, 'spent-late')
  const { knex } = server.database
  const step = Math.floor(server.clock.now() / 30_000)
  const digest = createHash('sha256')
    .update(`latchkey recovery code\0${codes[0]!.replaceAll('-', '')}`)
    .digest()
  await server.parts.accounts.disable(account.id, operator)
  const spendAll = async (generation: number) => {
    const owner = { accountId: account.id, generation }
    return [
      await totpRows.advanceTotp(knex, owner, step, server.clock.now()),
      await recoveryCodeRows.takeRecoveryCode(knex, owner, digest),
    ]
  }
  expect(await spendAll(0)).toEqual([false, false])
  expect(await spendAll(1)).toEqual([true, true])
  expect(await spendAll(1)).toEqual([false, false])
})

describe('a remembered browser, after user reset-factors', () => {
  async function remembered(name: string) {
    const who = await member(server, name)
    const { page, ...rp } = await toFactor(server, who.person)
    await rp.complete(await rp.browser.submit(page, '/factor', { code: who.phone.code(), remember: 'yes' }))
    expect(await server.parts.loginSteps.countRemembered(who.account.id)).toBe(1)
    await server.parts.factors.reset(who.account.id, operator)
    expect(await server.parts.loginSteps.countRemembered(who.account.id)).toBe(0)
    expect((await server.parts.revocation.listAccess(who.account.id)).sessions).toEqual([])
    return { ...who, ...rp }
  }

  test('needs a factor that was enrolled later', async () => {
    const { email, person, ...rp } = await remembered('enrolled-since')
    const { phone } = await addPhone(server, email)
    const { page } = await toFactor(server, person, {}, rp)
    expect(page.body).toContain('/factor"')
    server.clock.advance(secondsMs(60))
    const { code } = await rp.complete(await rp.browser.submit(page, '/factor', { code: phone.code() }))
    expect(claimsIn((await rp.exchange(code!)).body.id_token)).toMatchObject({ acr: acr.mfa })
  })

  test('must set up a factor if one is required', async () => {
    const { account, person, ...rp } = await remembered('required-since')
    await server.parts.factors.require(account.id, true, operator)
    expect((await toFactor(server, person, {}, rp)).page.body).toMatch(says('pages.enrol.heading'))
  })
})
