/**
 * Registration: one answer for every address, an account without rights until its address is
 * verified, and a button for the verification.
 */
import { testOrigin } from '../audit/origins.ts'
import { createBrowser } from '../support/browser.ts'
import { createRelyingParty, testPassword } from '../support/latchkey.ts'
import { codesOn, says } from '../support/sentences.ts'
import type { AccountSetup } from './setup.ts'
import { goodPassword, openAccountSetup, operator, otherPassword } from './setup.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

const withoutToken = (body: string) => body.replace(/name="csrf" value="[^"]+"/g, '')
const dayMs = 24 * 3_600_000

test('the page is the same with and without an account; the email differs', async () => {
  const before = (await setup.account('alice@example.com'))!
  const unknown = await setup.register({ email: 'unknown@example.com' })
  const known = await setup.register({ email: 'alice@example.com', name: 'Not Alice' })
  expect([unknown.status, known.status]).toEqual([200, 200])
  expect(withoutToken(known.body).replaceAll('alice@', 'unknown@')).toBe(withoutToken(unknown.body))
  await setup.mailbox.waitFor('unknown@example.com', 'verify')
  const toAlice = await setup.mailbox.waitFor('alice@example.com', 'already_registered')
  expect(toAlice.link).toBe(`${setup.server.issuer}/recover`)
  expect(await setup.account('alice@example.com')).toEqual(before)
  expect(await setup.signsIn('alice@example.com', testPassword)).toBe(true)
})

test('email, name and password are stored as typed; the address is found in any case, and is unproven', async () => {
  const name = 'Зоя Ω 王小明 نور'
  await setup.register({ email: '  Zoë.Mixed@Example.COM ', name })
  expect(await setup.account('zoë.mixed@example.com')).toMatchObject({
    email: 'Zoë.Mixed@Example.COM',
    name,
    isEmailVerified: false,
  })
  const again = await setup.register({ email: 'ZOË.MIXED@EXAMPLE.com' })
  expect(again.status).toBe(200)
  const rows = await setup.server.database.knex('account').where('email_key', 'zoë.mixed@example.com')
  expect(rows).toHaveLength(1)
})

test('every problem is shown beside its field, the form keeps its values except the password, and nothing is created', async () => {
  const page = await setup.register({ email: 'nobody', name: ' ', password: 'short' })
  expect(page.status).toBe(400)
  for (const field of ['email', 'name', 'password']) {
    expect(page.body).toMatch(new RegExp(`<a href="#${field}">`))
    expect(page.body).toContain(`id="${field}-problem"`)
    expect(page.body).toMatch(
      new RegExp(`<input id="${field}"[^>]* aria-invalid="true" aria-describedby="[^"]*${field}-problem`),
    )
  }
  expect(page.body).toContain('value="nobody"')
  expect(page.body).not.toContain('value="short"')
  expect(await setup.account('nobody')).toBeUndefined()
})

test.each([
  ['a NUL', 'Eve\u0000'],
  ['a control character', 'Eve\u0007'],
  ['text turned around', 'Eve \u202Eecila'],
  ['an isolate', 'Eve\u2066'],
  ['more than 200 characters', 'x'.repeat(201)],
])('a name with %s is refused, and the database refuses it too', async (_what, name) => {
  const email = 'bad-name@example.com'
  expect((await setup.register({ email, name })).status).toBe(400)
  expect(await setup.account(email)).toBeUndefined()
  const row = { id: crypto.randomUUID(), email, email_key: email, name, created_at: 0, updated_at: 0 }
  await expect(setup.server.database.knex('account').insert(row)).rejects.toThrow()
})

test('the database refuses an email with characters that separate addresses in a mail header', async () => {
  for (const email of [
    'a,b@example.com',
    'a@example.com>',
    '"a"@example.com',
    'a(b)@example.com',
    'a;b@example.com',
    'a\\b@example.com',
    'a@[b]',
  ]) {
    const row = { id: crypto.randomUUID(), email, email_key: email, created_at: 0, updated_at: 0 }
    await expect(setup.server.database.knex('account').insert(row)).rejects.toThrow(/account_email_mailable/)
  }
})

test('a GET of the link changes nothing, also repeated by scanners; the button proves the email, once', async () => {
  const browser = createBrowser()
  const email = 'scanned@example.com'
  await setup.register({ email }, browser)
  const { link } = await setup.mailbox.waitFor(email, 'verify')
  for (let times = 0; times < 3; times += 1) {
    expect((await createBrowser().get(link!)).status).toBe(200)
    await fetch(link!, { method: 'HEAD' })
  }
  expect(await setup.account(email)).toMatchObject({ isEmailVerified: false })
  const page = await browser.get(link!)
  expect(page.body).toContain(email)
  const done = await browser.submit(page, '/verify')
  expect(done.status).toBe(200)
  expect(done.body).toMatch(says('pages.notice.heading.verified'))
  const account = (await setup.account(email))!
  expect(account.isEmailVerified).toBe(true)
  expect(await setup.trail(account.id)).toEqual(['account.registered', 'account.email_verified'])
  for (const answer of [await browser.submit(page, '/verify'), await browser.get(link!)]) {
    expect(answer.status).toBe(400)
    expect(codesOn(answer)).toEqual(['link_expired'])
  }
  expect(await setup.signsIn(email, goodPassword)).toBe(true)
})

test('a link is valid for 24 hours, and only the newest one', async () => {
  const browser = createBrowser()
  const email = 'newest@example.com'
  await setup.register({ email }, browser)
  const older = (await setup.mailbox.waitFor(email, 'verify')).link!
  await setup.register({ email }, browser)
  const newer = (await setup.mailbox.waitFor(email, 'verify', { count: 2 })).link!
  expect((await browser.get(older)).status).toBe(400)
  setup.server.clock.advance(dayMs - 1000)
  const page = await browser.get(newer)
  expect(page.status).toBe(200)
  setup.server.clock.advance(1000)
  expect((await browser.get(newer)).status).toBe(400)
  // The second registration has its own cookie, so the page asks for the password of the first.
  const late = await browser.submit(page, '/verify/password', { password: goodPassword })
  expect(late.status).toBe(400)
  expect(await setup.account(email)).toMatchObject({ isEmailVerified: false })
})

test('of 50 concurrent uses of one link one succeeds', async () => {
  const browser = createBrowser()
  const email = 'parallel@example.com'
  await setup.register({ email }, browser)
  const page = await browser.get((await setup.mailbox.waitFor(email, 'verify')).link!)
  const answers = await Promise.all(Array.from({ length: 50 }, () => browser.submit(page, '/verify')))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(answers.filter(({ status }) => status === 400)).toHaveLength(49)
  const { id } = (await setup.account(email))!
  expect((await setup.trail(id)).filter((action) => action === 'account.email_verified')).toHaveLength(1)
})

test('an unproven email has email_verified false and no recovery', async () => {
  const email = 'unproven@example.com'
  await setup.register({ email })
  await setup.mailbox.waitFor(email, 'verify')
  const rp = createRelyingParty(setup.server)
  const { code } = await rp.complete(await rp.browser.get(await rp.authorizeUrl({ scope: 'openid email' })), {
    email,
    password: goodPassword,
  })
  const tokens = (await rp.exchange(code!)).body
  expect((await rp.userinfo(tokens.access_token)).body).toMatchObject({ email, email_verified: false })
  expect((await setup.askForRecovery(email)).status).toBe(200)
  await setup.allEmailsSent()
  expect(setup.mailbox.to(email)).toHaveLength(1)
})

describe('an address that another user registered first', () => {
  async function preregister(email: string) {
    const thief = createRelyingParty(setup.server)
    await setup.register({ email, password: otherPassword, name: 'Thief' }, thief.browser)
    const { code } = await thief.complete(
      await thief.browser.get(await thief.authorizeUrl({ scope: 'openid email offline_access' })),
      { email, password: otherPassword },
    )
    const tokens = (await thief.exchange(code!)).body
    const squatted = (await setup.account(email))!
    return { thief, tokens, squatted, link: (await setup.mailbox.waitFor(email, 'verify')).link! }
  }

  async function expectDead({ thief, tokens, squatted }: Awaited<ReturnType<typeof preregister>>, email: string) {
    expect(await setup.signsIn(email, otherPassword)).toBe(false)
    expect((await thief.refresh(tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
    expect((await thief.userinfo(tokens.access_token)).status).toBe(401)
    const silent = await thief.browser.get(await thief.authorizeUrl({ prompt: 'none' }))
    expect(new URL(silent.next!).searchParams.get('error')).toBe('login_required')
    const owner = (await setup.account(email))!
    expect(owner).toMatchObject({ isEmailVerified: true, name: 'The Owner' })
    expect(owner.id).not.toBe(squatted.id)
    expect(await setup.server.parts.accounts.findById(squatted.id)).toBeUndefined()
    expect(await setup.server.database.knex('consent').where({ account_id: squatted.id })).toEqual([])
  }

  test('is removed when the owner confirms the email: password, sessions, tokens and the account itself', async () => {
    const email = 'owner@example.com'
    const squat = await preregister(email)
    const owner = createBrowser()
    const page = await owner.get(squat.link)
    expect(page.body).toMatch(says('pages.link.anew.heading'))
    expect(page.body).not.toContain('Thief')
    const done = await owner.submit(page, '/verify/anew', { name: 'The Owner', password: goodPassword })
    expect(done.status).toBe(200)
    await expectDead(squat, email)
    expect(await setup.signsIn(email, goodPassword)).toBe(true)
    expect(await setup.trail((await setup.account(email))!.id)).toContain('account.reclaimed')
  })

  test('is removed too when the owner registers and opens that email', async () => {
    const email = 'owner-too@example.com'
    const squat = await preregister(email)
    const owner = createBrowser()
    await setup.register({ email, name: 'The Owner', password: goodPassword }, owner)
    const page = await owner.get((await setup.mailbox.waitFor(email, 'verify', { count: 2 })).link!)
    await owner.submit(page, '/verify/anew', { name: 'The Owner', password: goodPassword })
    await expectDead(squat, email)
  })

  test('the owner’s browser cannot confirm the attacker’s account by the button alone', async () => {
    const email = 'button@example.com'
    const { link } = await preregister(email)
    const owner = createBrowser()
    const page = await owner.get(link)
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
    const token = new URL(link).searchParams.get('token')!
    expect((await owner.post(setup.at('/verify'), { csrf, token })).status).toBe(400)
    expect(await setup.account(email)).toMatchObject({ isEmailVerified: false })
    // The link still works in the right browser.
    expect((await owner.get(link)).status).toBe(200)
  })

  test('a link that is opened on another device asks for the password, and keeps the account if the password is right', async () => {
    const email = 'phone@example.com'
    await setup.register({ email })
    const before = (await setup.account(email))!
    const { link } = await setup.mailbox.waitFor(email, 'verify')
    const phone = createBrowser()
    const page = await phone.get(link!)
    const wrong = await phone.submit(page, '/verify/password', { password: otherPassword })
    expect(wrong.status).toBe(400)
    expect(codesOn(wrong)).toEqual(['password_not_chosen'])
    const right = await phone.submit(wrong, '/verify/password', { password: goodPassword })
    expect(right.status).toBe(200)
    expect(await setup.account(email)).toMatchObject({ id: before.id, isEmailVerified: true })
  })
})

test('a link accepts five password attempts, concurrent or not, and can still reset the account', async () => {
  const email = 'tried@example.com'
  await setup.register({ email })
  const token = new URL((await setup.mailbox.waitFor(email, 'verify')).link!).searchParams.get('token')!
  const { confirmWithPassword } = setup.server.parts.registration
  const where = { browser: Buffer.alloc(0), origin: testOrigin }
  const tries = await Promise.allSettled(
    Array.from({ length: 12 }, (_, n) => confirmWithPassword(token, `guess number ${n}`, where)),
  )
  const codes = tries.map((one) => one.status === 'rejected' && (one.reason.problems?.[0].code ?? one.reason.code))
  const wrong = codes.filter((code) => code === 'password_not_chosen').length
  const busy = codes.filter((code) => code === 'hashing_busy').length
  // One account has a share of the hash queue. A password beyond it was not compared, and may be
  // tried again.
  expect(busy).toBeGreaterThan(0)
  expect(wrong).toBeLessThanOrEqual(5)
  expect(codes.filter((code) => code === 'password_tries_used')).toHaveLength(12 - wrong - busy)
  for (let tried = wrong; tried < 5; tried += 1) {
    const again = confirmWithPassword(token, `guess again ${tried}`, where)
    await expect(again).rejects.toMatchObject({ problems: [{ code: 'password_not_chosen' }] })
  }
  await expect(confirmWithPassword(token, goodPassword, where)).rejects.toMatchObject({ code: 'registration_invalid' })
  await setup.server.parts.registration.startOver(token, { name: 'The Owner', password: otherPassword }, where)
  expect(await setup.signsIn(email, otherPassword)).toBe(true)
})

test('of concurrent registrations one creates the account, and the others change nothing', async () => {
  const email = 'race@example.com'
  const answers = await Promise.all(
    ['One', 'Two', 'Six'].map((name) => setup.register({ email, name, password: `${name} sings in the morning` })),
  )
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  const rows = await setup.server.database.knex('account').where({ email_key: email })
  expect(rows).toHaveLength(1)
  expect(await setup.signsIn(email, `${rows[0].name} sings in the morning`)).toBe(true)
})

test('a registration begun at the login page returns to it, and the request is preserved', async () => {
  const rp = createRelyingParty(setup.server)
  const email = 'returning@example.com'
  const login = await rp.browser.follow(
    await rp.browser.get(await rp.authorizeUrl({ scope: 'openid email', state: 'kept-through-registration' })),
  )
  const registerUrl = /href="(\/interaction\/[\w-]+\/register)"/.exec(login.body)![1]!
  const page = await rp.browser.get(setup.at(registerUrl))
  expect(page.body).toContain('Web App')
  const sent = await rp.browser.submit(page, '/register', { email, name: 'Returning', password: goodPassword })
  expect(sent.body).toMatch(/href="\/interaction\/[\w-]+"/)
  const verified = await rp.browser.submit(
    await rp.browser.get((await setup.mailbox.waitFor(email, 'verify')).link!),
    '/verify',
  )
  const back = /class="button" href="(\/interaction\/[\w-]+)"/.exec(verified.body)![1]!
  const answer = await rp.complete(await rp.browser.get(setup.at(back)), { email, password: goodPassword })
  expect(answer).toMatchObject({ state: 'kept-through-registration', code: expect.any(String) })
})

test('a registration in the interaction of another browser is refused', async () => {
  const rp = createRelyingParty(setup.server)
  const login = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
  const url = setup.at(/href="(\/interaction\/[\w-]+\/register)"/.exec(login.body)![1]!)
  expect((await createBrowser().get(url)).status).toBe(400)
})

test('a sign-in with an unproven email is refused only after the right password, and the email is sent again', async () => {
  await setup.server.parts.settings.set('emailVerification', 'required', operator)
  try {
    const email = 'first@example.com'
    await setup.register({ email })
    await setup.mailbox.waitFor(email, 'verify')
    const rp = createRelyingParty(setup.server)
    const login = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
    const wrong = await rp.browser.submit(login, '/login', { email, password: otherPassword })
    expect(codesOn(wrong)).toEqual(['wrong_credentials'])
    const right = await rp.browser.submit(wrong, '/login', { email, password: goodPassword })
    expect(right.status).toBe(403)
    expect(codesOn(right)).toEqual(['email_unverified'])
    await setup.mailbox.waitFor(email, 'verify', { count: 2 })
    expect(await setup.signsIn('alice@example.com', testPassword)).toBe(true)
  } finally {
    await setup.server.parts.settings.set('emailVerification', undefined, operator)
  }
})

describe('a setting decides which addresses may register', () => {
  afterEach(() => setup.server.parts.settings.set('registration', 'open', operator))

  test.each(['off', 'invitation'] as const)(
    '%s: the form is 403, a sent form is 403, and the login page does not link to it',
    async (mode) => {
      const browser = createBrowser()
      const open = await browser.get(setup.at('/register'))
      await setup.server.parts.settings.set('registration', mode, operator)
      expect((await browser.get(setup.at('/register'))).status).toBe(403)
      const fields = { email: `${mode}@example.com`, name: 'Not invited', password: goodPassword }
      expect((await browser.submit(open, '/register', fields)).status).toBe(403)
      expect(await setup.account(fields.email)).toBeUndefined()
      const rp = createRelyingParty(setup.server)
      const login = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
      expect(login.body).not.toContain('/register')
      expect(login.body).toContain('/recover')
    },
  )

  test('an invited user chooses a name and a password, and the address is proven', async () => {
    await setup.server.parts.settings.set('registration', 'invitation', operator)
    const email = 'invited@example.com'
    const id = await setup.server.parts.registration.invite({ email, roles: ['editor'] }, operator)
    const older = (await setup.mailbox.waitFor(email, 'invitation')).link!
    expect(await setup.server.parts.registration.invite({ email }, operator)).toBe(id)
    const { link } = await setup.mailbox.waitFor(email, 'invitation', { count: 2 })
    const browser = createBrowser()
    expect((await browser.get(older)).status).toBe(400)
    const page = await browser.get(link!)
    const bad = await browser.submit(page, '/invitation', { name: 'Invited', password: 'short' })
    expect(bad.status).toBe(400)
    expect(bad.body).toContain('value="Invited"')
    expect((await browser.submit(bad, '/invitation', { name: 'Invited', password: goodPassword })).status).toBe(200)
    expect(await setup.account(email)).toMatchObject({ id, isEmailVerified: true, name: 'Invited', roles: ['editor'] })
    expect(await setup.signsIn(email, goodPassword)).toBe(true)
    expect((await browser.get(link!)).status).toBe(400)
    await expect(setup.server.parts.registration.invite({ email }, operator)).rejects.toMatchObject({
      code: 'email_taken',
    })
  })

  test('an invitation to an address that another user has registered gives that user nothing', async () => {
    const email = 'squatted@example.com'
    await setup.register({ email, password: otherPassword, name: 'Stranger' })
    await setup.mailbox.waitFor(email, 'verify')
    const squatted = (await setup.account(email))!
    await setup.server.parts.registration.invite({ email }, operator)
    const { link } = await setup.mailbox.waitFor(email, 'invitation')
    const browser = createBrowser()
    await browser.submit(await browser.get(link!), '/invitation', { name: 'Invited', password: goodPassword })
    expect((await setup.account(email))!.id).not.toBe(squatted.id)
    expect(await setup.signsIn(email, otherPassword)).toBe(false)
  })
})

test('a link is refused at the pages of other purposes', async () => {
  const member = await setup.member('purpose@example.com')
  await setup.askForRecovery(member.email)
  const recovery = new URL((await setup.mailbox.waitFor(member.email, 'recovery')).link!)
  for (const path of ['/verify', '/invitation', '/email-change']) {
    expect((await createBrowser().get(setup.at(path + recovery.search))).status).toBe(400)
  }
})

test('a Kelvin sign counts as a k: the email goes to the stored address, never to the typed one', async () => {
  await setup.member('k@example.com')
  await setup.askForRecovery('\u212A@example.com')
  await setup.register({ email: '\u212A@example.com' })
  await setup.allEmailsSent()
  expect(setup.mailbox.to('k@example.com')).toHaveLength(3)
  expect(setup.mailbox.emails.filter(({ to }) => to.some((email) => /\u212A|xn--/.test(email)))).toEqual([])
})
