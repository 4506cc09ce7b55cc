/** A factor belongs to one login of one account, and the login cannot finish without it. */

import { byAccount, testOrigin } from '../audit/origins.ts'
import { answerIn, claimsIn } from '../oidc/support.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { says } from '../support/sentences.ts'
import { waitFor } from '../support/wait.ts'
import { acr, goodPassword, member, operator, secondsMs, toFactor } from './setup.ts'

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

const uidIn = (url: string): string => /interaction\/([\w-]+)/.exec(url)![1]!

test('the consent form before the second factor is refused with 403, and stores no session and no grant', async () => {
  const { person } = await member(server, 'consents')
  const { browser, page } = await toFactor(server, person)
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
  const answer = await browser.post(`${server.issuer}/interaction/${uidIn(page.url)}/consent`, { csrf })
  expect([answer.status, answer.next]).toEqual([403, undefined])
  const resumed = await browser.follow(await browser.get(`${server.issuer}/authorize/${uidIn(page.url)}`))
  expect(resumed.next).toBeUndefined()
  expect(await server.parts.artifacts.listAccess((await server.parts.accounts.findByEmail(person.email))!.id)).toEqual({
    sessions: [],
    grants: [],
  })
})

test('a factor that was proven in another login of the same browser is required again', async () => {
  const { person, phone } = await member(server, 'parallel')
  const rp = createRelyingParty(server)
  const first = await toFactor(server, person, {}, rp)
  const second = await toFactor(server, person, { state: 'another' }, rp)
  await rp.browser.submit(first.page, '/factor', { code: phone.code() })
  const other = await rp.browser.get(second.page.url)
  expect(other.body).toContain('/factor"')
  const skipped = await rp.browser.post(`${server.issuer}/interaction/${uidIn(second.page.url)}/enrolled`, {
    csrf: /name="csrf" value="([^"]+)"/.exec(other.body)![1]!,
  })
  // The response shows the next step and does not skip it.
  expect(new URL(skipped.next!).pathname).toBe(new URL(second.page.url).pathname)
})

test('a switch to another user in a login requires the password and factor of that user', async () => {
  const first = await member(server, 'switched-from')
  const second = await member(server, 'switched-to')
  const { browser, page } = await toFactor(server, first.person)
  const login = await browser.submit(page, '/switch')
  expect((await browser.get(page.url)).body).toContain('name="password"')
  const asked = await browser.follow(await browser.submit(login, '/login', second.person))
  expect(asked.body).toContain(second.email)
  server.clock.advance(secondsMs(60))
  expect((await browser.submit(asked, '/factor', { code: first.phone.code() })).status).toBe(400)
  expect((await browser.submit(asked, '/factor', { code: second.phone.code() })).status).toBe(200)
})

test('a factor before the password is refused with 403', async () => {
  const { phone } = await member(server, 'no-password')
  const rp = createRelyingParty(server)
  const login = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
  const csrf = /name="csrf" value="([^"]+)"/.exec(login.body)![1]!
  const forms: Record<string, Record<string, string>> = {
    factor: { method: 'totp', code: phone.code() },
    enrol: { offer: 'x', code: '1' },
    enrolled: {},
  }
  for (const [step, fields] of Object.entries(forms)) {
    const answer = await rp.browser.post(`${login.url}/${step}`, { csrf, ...fields })
    expect([step, answer.status]).toEqual([step, 403])
  }
})

test('the second step is refused with 403 if the account was disabled or its password changed after the first', async () => {
  const { person, phone, account } = await member(server, 'disabled')
  const { browser, page } = await toFactor(server, person)
  await server.parts.accounts.disable(account.id, operator)
  await server.parts.accounts.enable(account.id, operator)
  expect((await browser.submit(page, '/factor', { code: phone.code() })).status).toBe(403)

  const changed = await toFactor(server, person)
  await server.parts.accounts.setPassword(account.id, 'another one altogether', operator)
  expect((await changed.browser.submit(changed.page, '/factor', { code: phone.code() })).status).toBe(403)
})

test('the second step is refused with 403 if an operator ended everything of the account after the first', async () => {
  const { person, phone, account } = await member(server, 'signed-out')
  const { browser, page } = await toFactor(server, person)
  await server.parts.revocation.revokeAccount(account.id, operator)
  expect((await browser.submit(page, '/factor', { code: phone.code() })).status).toBe(403)
})

test('the password step expires after ten minutes', async () => {
  const { person, phone } = await member(server, 'slow')
  const { browser, page } = await toFactor(server, person)
  server.clock.advance(secondsMs(10 * 60 + 1))
  expect((await browser.get(page.url)).body).toContain('name="password"')
  expect((await browser.submit(page, '/factor', { code: phone.code() })).status).toBe(403)
})

test('a recovery by the emailed link starts no session, and the factor is still required', async () => {
  const { email, phone } = await member(server, 'forgot')
  const { browser } = createRelyingParty(server)
  await browser.submit(await browser.get(`${server.issuer}/recover`), '/recover', { email })
  const { link } = await mailbox.waitFor(email, 'recovery')
  const chosen = 'chosen after the mail'
  await browser.submit(await browser.get(link!), '/recover/password', { password: chosen })
  const cookies = await browser.jar.getCookies(server.issuer)
  expect(cookies.map(({ key }) => key)).not.toContain('latchkey.session')
  const { page, browser: other } = await toFactor(server, { email, password: chosen })
  expect(page.body).toContain('/factor"')
  expect((await other.submit(page, '/factor', { code: phone.code() })).status).toBe(200)
})

describe('a remembered browser', () => {
  async function remembered(name: string) {
    const who = await member(server, name)
    const { page, ...rp } = await toFactor(server, who.person)
    const next = await rp.browser.follow(
      await rp.browser.submit(page, '/factor', { code: who.phone.code(), remember: 'yes' }),
    )
    await rp.browser.follow(await rp.browser.submit(next, '/consent'))
    return { ...who, ...rp }
  }
  const signOut = async ({ browser }: Pick<ReturnType<typeof createRelyingParty>, 'browser'>) => {
    for (const cookie of await browser.jar.getCookies(server.issuer)) {
      if (cookie.key.startsWith('latchkey.session'))
        await browser.jar.setCookie(`${cookie.key}=; Max-Age=0; Path=/`, server.issuer)
    }
  }

  test('skips the code, and its tokens do not claim it; another browser needs the code', async () => {
    const { person, ...rp } = await remembered('kept')
    await signOut(rp)
    const tokens = await rp.signIn({}, person)
    expect(claimsIn(tokens.id_token)).toMatchObject({ acr: acr.password, amr: ['pwd'] })
    expect((await toFactor(server, person)).page.body).toContain('/factor"')
  })

  test('needs the code when the request asks for the class', async () => {
    const { person, phone, ...rp } = await remembered('asked')
    await signOut(rp)
    server.clock.advance(secondsMs(60))
    const tokens = await rp.signIn({ acr_values: acr.mfa }, { ...person, code: phone.code })
    expect(claimsIn(tokens.id_token)).toMatchObject({ acr: acr.mfa })
  })

  test('is not remembered after thirty days, or after all sessions of the user were ended', async () => {
    const { person, account, ...rp } = await remembered('ended')
    await signOut(rp)
    server.clock.advance(30 * 86_400_000 + 1)
    expect((await toFactor(server, person, {}, rp)).page.body).toContain('/factor"')

    const other = await remembered('ended-too')
    await signOut(other)
    await server.parts.revocation.revokeAccount(other.account.id, operator)
    expect((await toFactor(server, other.person, {}, other)).page.body).toContain('/factor"')
    expect(await server.parts.loginSteps.countRemembered(account.id)).toBe(0)
  })

  test('needs the code for another user', async () => {
    const rp = await remembered('first-of-two')
    const second = await member(server, 'second-of-two')
    await signOut(rp)
    expect((await toFactor(server, second.person, {}, rp)).page.body).toContain('/factor"')
  })
})

describe('accounts that must have a factor', () => {
  const enrolIn = async (
    rp: ReturnType<typeof createRelyingParty>,
    page: Awaited<ReturnType<typeof toFactor>>['page'],
  ) => {
    const { fromBase32, createPhone } = await import('./setup.ts')
    const secret = /<code class="secret">([^<]+)</.exec(page.body)![1]!
    const phone = createPhone(fromBase32(secret), server.clock)
    const wrong = await rp.browser.submit(page, '/enrol', { code: '000000' })
    expect(wrong.status).toBe(400)
    // The page shows the same secret, because the app already has it.
    expect(wrong.body).toContain(secret)
    const codes = await rp.browser.submit(wrong, '/enrol', { code: phone.code() })
    expect(codes.body.match(/[0-9A-Z]{6}-[0-9A-Z]{6}-[0-9A-Z]{6}-[0-9A-Z]{6}/g)).toHaveLength(10)
    return { phone, codes }
  }

  test.each(['required', 'administrator'] as const)('a user of whom it is %s sets it up at the login', async (kind) => {
    const email = `${kind}@people.example`
    const roles = kind === 'administrator' ? ['admin'] : []
    const id = await server.parts.accounts.create(
      { email, isEmailVerified: true, password: goodPassword, roles },
      operator,
    )
    if (kind === 'required') await server.parts.factors.require(id, true, operator)
    const { page, ...rp } = await toFactor(server, { email, password: goodPassword })
    expect(page.body).toMatch(says('pages.enrol.heading'))
    const { phone, codes } = await enrolIn(rp, page)
    const end = await rp.complete(await rp.browser.submit(codes, '/enrolled'))
    expect(claimsIn((await rp.exchange(end.code!)).body.id_token)).toMatchObject({
      acr: acr.mfa,
      amr: ['pwd', 'otp', 'mfa'],
    })
    await mailbox.waitFor(email, 'factor_added')
    server.clock.advance(secondsMs(60))
    await expect(
      server.parts.factors.remove({ accountId: id, generation: 0, by: byAccount(id) }, 'totp'),
    ).rejects.toMatchObject({
      code: 'factor_needed',
    })
    const again = await toFactor(server, { email, password: goodPassword })
    expect(again.page.body.includes('name="remember"')).toBe(kind === 'required')
    expect((await again.browser.submit(again.page, '/factor', { code: phone.code(), remember: 'yes' })).status).toBe(
      200,
    )
    // A checkbox that was not offered has no effect.
    expect(await server.parts.loginSteps.countRemembered(id)).toBe(kind === 'required' ? 1 : 0)
  })

  test('a client requires one by its default_acr_values, and no request lowers that', async () => {
    await server.addClient({
      clientId: 'vault',
      kind: 'web',
      secret: 'a secret of more than thirty-two characters',
      metadata: {
        client_name: 'Vault',
        redirect_uris: ['https://vault.example/cb'],
        default_acr_values: [acr.mfa],
        scope: 'openid',
      },
    })
    const email = 'plain@people.example'
    await server.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
    for (const parameters of [{}, { acr_values: acr.password }]) {
      const { page } = await toFactor(
        server,
        { email, password: goodPassword },
        { client_id: 'vault', redirect_uri: 'https://vault.example/cb', ...parameters },
      )
      expect(page.body).toMatch(says('pages.enrol.heading'))
    }
    const silent = createRelyingParty(server)
    await silent.signIn({}, { email, password: goodPassword })
    const refused = answerIn(
      await silent.browser.get(
        await silent.authorizeUrl({ client_id: 'vault', redirect_uri: 'https://vault.example/cb', prompt: 'none' }),
      ),
    )
    expect(refused).toMatchObject({ error: 'login_required' })
  })
})

test('the proof of another account in the same interaction is none, also when it arrives meanwhile', async () => {
  const [one, other] = [await member(server, 'steps-victim'), await member(server, 'steps-other')]
  const { loginSteps } = server.parts
  const demand = { level: 'password', isEssential: false } as const
  const request = { uid: 'interaction-of-two', clientId: 'web', demand, currentLogin: undefined }
  const loginContext = { rememberedToken: undefined, origin: testOrigin }
  await loginSteps.begin(request, one.account, 'password', loginContext)
  const { knex } = server.database
  const lock = await knex.transaction()
  await lock.raw('SELECT FROM account WHERE id = ? FOR NO KEY UPDATE', [one.account.id])
  const proving = loginSteps.prove(request, 'totp', { code: '000000' }, loginContext)
  const settled = proving.catch((error: unknown) => error)
  await waitFor(async () => (await knex('pg_stat_activity').where({ wait_event_type: 'Lock' }).first()) !== undefined)
  const rows = knex('login_progress').where({ account_id: one.account.id })
  expect(await rows.update({ account_id: other.account.id, proven: ['password', 'totp'] })).toBe(1)
  await lock.commit()
  expect(await settled).toMatchObject({ code: 'factor_not_asked' })
})

test('a right code that arrives while the sign-in is ended does not bring it back', async () => {
  const { account, phone } = await member(server, 'steps-ended')
  const { loginSteps } = server.parts
  const demand = { level: 'password', isEssential: false } as const
  const request = { uid: 'interaction-that-ends', clientId: 'web', demand, currentLogin: undefined }
  const loginContext = { rememberedToken: undefined, origin: testOrigin }
  await loginSteps.begin(request, account, 'password', loginContext)
  const { knex } = server.database
  const ending = await knex.transaction()
  await loginSteps.endSignIns(ending, account.id)
  const proving = loginSteps.prove(request, 'totp', { code: phone.code() }, loginContext)
  const settled = proving.catch((error: unknown) => error)
  await waitFor(async () => (await knex('pg_stat_activity').where({ wait_event_type: 'Lock' }).first()) !== undefined)
  await ending.commit()
  expect(await settled).toMatchObject({ code: 'factor_not_asked' })
  expect(await knex('login_progress').where({ account_id: account.id })).toEqual([])
})
