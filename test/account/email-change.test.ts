/** A new email: its confirmation, what a request discloses, and that no other account changes. */
import { testOrigin } from '../audit/origins.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, operator, otherPassword } from '../registration/setup.ts'
import type { Browser } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import { createRelyingParty } from '../support/latchkey.ts'
import { says } from '../support/sentences.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

const changes = () => setup.server.parts.accountChanges

const request = (accountId: string, newEmail: string, password = goodPassword) =>
  changes().requestEmailChange({ accountId, origin: testOrigin, proof: { password }, newEmail })

/** A member who requested another email, and the link that was sent there. */
async function asked(email: string, newEmail: string) {
  const account = await setup.member(email)
  await request(account.id, newEmail)
  return { account, link: (await setup.mailbox.waitFor(newEmail, 'email_change')).link! }
}

async function signIn(email: string, password = goodPassword) {
  const rp = createRelyingParty(setup.server)
  const start = await rp.browser.get(await rp.authorizeUrl({ scope: 'openid offline_access' }))
  const { code } = await rp.complete(start, { email, password })
  return { rp, browser: rp.browser, tokens: (await rp.exchange(code!)).body }
}

const isSignedIn = async ({ rp }: Awaited<ReturnType<typeof signIn>>) => {
  const page = await rp.browser.get(await rp.authorizeUrl({ prompt: 'none' }))
  return new URL(page.next!).searchParams.get('error') === null
}

/** Confirms on the page. */
const confirm = async (browser: Browser, link: string, fields: Record<string, string> = {}) =>
  browser.submit(await browser.get(link), '/email-change', fields)

const withPassword = { currentPassword: goodPassword }

test('in a session of the account a button confirms the change, and only that session continues', async () => {
  const { account, link } = await asked('before@example.com', 'After@Example.com')
  const [here, there] = [await signIn('before@example.com'), await signIn('before@example.com')]
  const page = await here.browser.get(link)
  expect(page.body).toContain('After@Example.com')
  expect(page.body).not.toContain('name="currentPassword"')
  expect(await setup.account('before@example.com')).toMatchObject({ id: account.id })
  expect((await here.browser.submit(page, '/email-change')).status).toBe(200)
  expect(await setup.account('after@example.com')).toMatchObject({
    id: account.id,
    email: 'After@Example.com',
    isEmailVerified: true,
  })
  expect(await setup.account('before@example.com')).toBeUndefined()
  await setup.mailbox.waitFor('before@example.com', 'email_changed')
  expect([await isSignedIn(here), await isSignedIn(there)]).toEqual([true, false])
  for (const { rp, tokens } of [here, there]) {
    expect((await rp.refresh(tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
  }
  expect((await here.browser.submit(page, '/email-change')).status).toBe(400)
  expect(await setup.trail(account.id)).toEqual(
    expect.arrayContaining(['account.email_change_requested', 'account.email_changed']),
  )
})

test('outside a session the page asks for the password, and does not show the current email', async () => {
  const { account, link } = await asked('secret-address@example.com', 'elsewhere@example.com')
  const browser = createBrowser()
  const page = await browser.get(link)
  expect(page.body).toContain('name="currentPassword"')
  expect(page.body).not.toContain('secret-address')
  for (const fields of [{}, { currentPassword: otherPassword }] as Record<string, string>[]) {
    const refused = await browser.submit(page, '/email-change', fields)
    expect(refused.status).toBe(403)
    expect(refused.body).toContain('id="currentPassword-problem"')
    expect(refused.body).not.toContain('secret-address')
  }
  expect(await setup.account('secret-address@example.com')).toMatchObject({ id: account.id })
  expect((await setup.trail(account.id)).filter((action) => action === 'account.change_refused')).toHaveLength(2)
  const done = await browser.submit(page, '/email-change', withPassword)
  expect(done.status).toBe(200)
  expect(done.headers.getSetCookie().filter((cookie) => cookie.includes('session'))).toEqual([])
  expect(await setup.account('elsewhere@example.com')).toMatchObject({ id: account.id })
  // The password entry alone does not make the browser known.
  expect(await setup.server.database.knex('known_browser').where({ account_id: account.id })).toEqual([])
})

test('in a session of another account the page asks for the password too, and that session stays', async () => {
  const { account, link } = await asked('mine@example.com', 'mine-new@example.com')
  await setup.member('other@example.com')
  const other = await signIn('other@example.com')
  const page = await other.browser.get(link)
  expect(page.body).toContain('name="currentPassword"')
  expect((await other.browser.submit(page, '/email-change', { currentPassword: '' })).status).toBe(403)
  expect((await other.browser.submit(page, '/email-change', withPassword)).status).toBe(200)
  expect(await setup.account('mine-new@example.com')).toMatchObject({ id: account.id })
  expect(await isSignedIn(other)).toBe(true)
  expect(await setup.server.database.knex('known_browser').where({ account_id: account.id })).toEqual([])
})

test('a link accepts five password attempts, also concurrent ones; a session of the account can still confirm', async () => {
  const { account, link } = await asked('guessed@example.com', 'guessed-new@example.com')
  const token = new URL(link).searchParams.get('token')!
  const tries = await Promise.allSettled(
    Array.from({ length: 9 }, (_, n) =>
      changes().confirmEmailChange(token, { password: `guess number ${n}`, origin: testOrigin }),
    ),
  )
  const codes = tries.map((one) => one.status === 'rejected' && (one.reason.problems?.[0].code ?? one.reason.code))
  expect(codes.filter((code) => code === 'proof_refused')).toHaveLength(5)
  expect(codes.filter((code) => code === 'email_change_tries_used')).toHaveLength(4)
  await expect(
    changes().confirmEmailChange(token, { password: goodPassword, origin: testOrigin }),
  ).rejects.toMatchObject({
    code: 'change_invalid',
  })
  const here = await signIn('guessed@example.com')
  expect((await confirm(here.browser, link)).status).toBe(200)
  expect(await setup.account('guessed-new@example.com')).toMatchObject({ id: account.id })
})

test('of concurrent confirmations of a link one succeeds', async () => {
  const { link } = await asked('many@example.com', 'many-new@example.com')
  const token = new URL(link).searchParams.get('token')!
  const results = await Promise.allSettled(
    Array.from({ length: 4 }, () =>
      changes().confirmEmailChange(token, { password: goodPassword, origin: testOrigin }),
    ),
  )
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a change to an email that another account has proven sends that account an email, and changes nothing', async () => {
  await setup.member('taken@example.com')
  const { id } = await setup.member('taker@example.com')
  await request(id, 'TAKEN@example.com')
  await setup.mailbox.waitFor('taken@example.com', 'address_in_use')
  expect(await setup.account('taker@example.com')).toMatchObject({ id })
})

test('a change to an email that another account has unproven is refused with 409, and the page says how to continue', async () => {
  await setup.register({ email: 'squat@example.com', password: otherPassword })
  await setup.mailbox.waitFor('squat@example.com', 'verify')
  const squatted = (await setup.account('squat@example.com'))!
  const account = await setup.member('real@example.com')
  await request(account.id, 'squat@example.com')
  const { link } = await setup.mailbox.waitFor('squat@example.com', 'email_change')
  const refused = await confirm(createBrowser(), link!, withPassword)
  expect(refused.status).toBe(409)
  expect(refused.body).toMatch(says('pages.notice.next.email_taken'))
  expect(await setup.account('squat@example.com')).toEqual(squatted)
  expect(await setup.account('real@example.com')).toMatchObject({ id: account.id })
  expect(await setup.signsIn('squat@example.com', otherPassword)).toBe(true)
})

test('the owner of the mailbox can follow that page: take over the unproven account, change its email, and change', async () => {
  const wanted = 'wanted@example.com'
  await setup.register({ email: wanted, password: otherPassword })
  await setup.mailbox.waitFor(wanted, 'verify')
  const account = await setup.member('goes-on@example.com')
  const browser = createBrowser()
  await setup.register({ email: wanted }, browser)
  const proof = await browser.get((await setup.mailbox.waitFor(wanted, 'verify', { count: 2 })).link!)
  await browser.submit(proof, '/verify/anew', { name: 'The Owner', password: goodPassword })
  await request((await setup.account(wanted))!.id, 'moved-away@example.com')
  const away = (await setup.mailbox.waitFor('moved-away@example.com', 'email_change')).link!
  expect((await confirm(browser, away, withPassword)).status).toBe(200)
  await request(account.id, wanted)
  const { link } = await setup.mailbox.waitFor(wanted, 'email_change')
  expect((await confirm(browser, link!, withPassword)).status).toBe(200)
  expect(await setup.account(wanted)).toMatchObject({ id: account.id })
})

test('an email that another account takes before the confirmation is refused, and the link stays valid', async () => {
  const { account, link } = await asked('waiting@example.com', 'grabbed@example.com')
  await setup.server.parts.accounts.create({ email: 'grabbed@example.com', isEmailVerified: true }, operator)
  const browser = createBrowser()
  expect((await confirm(browser, link, withPassword)).status).toBe(409)
  expect(await setup.account('waiting@example.com')).toMatchObject({ id: account.id })
  expect((await browser.get(link)).status).toBe(200)
})

test('a link that was requested with a replaced password is invalid, also in the session that continues', async () => {
  const { account, link } = await asked('recovered@example.com', 'thief@example.com')
  const browser = createBrowser()
  const page = await browser.get(link)
  await changes().changePassword({
    origin: testOrigin,
    accountId: account.id,
    proof: { password: goodPassword },
    newPassword: otherPassword,
  })
  expect((await browser.get(link)).status).toBe(400)
  const late = await browser.submit(page, '/email-change', { currentPassword: otherPassword })
  expect(late.status).toBe(400)
})

describe('the request for a change', () => {
  test.each(['owned@example.com', 'unproven-owned@example.com', 'free@example.com'])(
    'ends the earlier link whatever the new address is (%s)',
    async (newEmail) => {
      if (newEmail.startsWith('owned') && !(await setup.account(newEmail))) await setup.member(newEmail)
      if (newEmail.startsWith('unproven')) await setup.register({ email: newEmail })
      const { account, link } = await asked(`prober-${newEmail}`, `probe-${newEmail}`)
      const browser = createBrowser()
      expect((await browser.get(link)).status).toBe(200)
      await request(account.id, newEmail)
      // At once: not when the email is sent.
      expect((await browser.get(link)).status).toBe(400)
    },
  )

  test('a delayed email of an earlier request does not make its link valid again', async () => {
    const { emailLinks: links } = setup.server.parts
    const { id, generation } = await setup.member('delayed@example.com')
    const older = { accountId: id, email: 'older@example.com', generation }
    const at = setup.server.clock.now()
    setup.server.clock.advance(1000)
    await request(id, 'newer@example.com')
    const { link } = await setup.mailbox.waitFor('newer@example.com', 'email_change')
    const late = await setup.server.database.transaction((tx) => links.mint(tx, 'change_email', older, false, at))
    expect(late).toBeUndefined()
    expect((await createBrowser().get(link!)).status).toBe(200)
  })

  test('counts for the limit whether or not the new email has an account', async () => {
    const { id } = await setup.member('counting@example.com')
    await setup.member('counted@example.com')
    const count = async () => {
      const row = await setup.server.database.knex('account_link').where({ account_id: id, purpose: 'change_email' })
      return row[0]?.count
    }
    await request(id, 'counted@example.com')
    expect(await count()).toBe(1)
    await request(id, 'not-an-account@example.com')
    await setup.mailbox.waitFor('not-an-account@example.com', 'email_change')
    expect(await count()).toBe(2)
    for (let times = 0; times < 3; times += 1) await request(id, 'counted@example.com')
    await request(id, 'sixth@example.com')
    await request(id, 'sixth@example.com')
    expect(await count()).toBe(6)
    await setup.allEmailsSent()
    const { rows } = await setup.server.database.knex.raw(
      "SELECT count(*) AS count FROM account_link WHERE account_id = ? AND digest IS NOT NULL AND purpose = 'change_email'",
      [id],
    )
    expect(Number(rows[0].count)).toBe(0)
  })

  test.each(['nobody', 'a,b@example.com', 'a@example.com\r\nBcc: b@example.com', ''])(
    'with an invalid email (%j) is refused',
    async (newEmail) => {
      const account = (await setup.account('taker@example.com'))!
      await expect(request(account.id, newEmail)).rejects.toMatchObject({
        code: 'change_invalid',
        problems: [{ path: 'newEmail' }],
      })
    },
  )
})

describe('the unproven email of the same account', () => {
  async function unproven(email: string) {
    const registrar = createBrowser()
    await setup.register({ email }, registrar)
    await setup.mailbox.waitFor(email, 'verify')
    const account = (await setup.account(email))!
    await request(account.id, email.toUpperCase())
    return { account, registrar, mail: await setup.mailbox.waitFor(email, 'verify', { count: 2 }) }
  }

  test('gets a verify email: a button in the browser that registered, the password elsewhere', async () => {
    const { account, registrar, mail: message } = await unproven('own@example.com')
    expect(new URL(message.link!).pathname).toBe('/verify')
    const elsewhere = createBrowser()
    const page = await elsewhere.get(message.link!)
    expect(page.body).toContain('/verify/password')
    expect((await elsewhere.submit(page, '/verify/password', { password: otherPassword })).status).toBe(400)
    expect((await registrar.submit(await registrar.get(message.link!), '/verify')).status).toBe(200)
    expect(await setup.account('own@example.com')).toMatchObject({ id: account.id, isEmailVerified: true })
  })

  test('can be taken over by the owner of the mailbox, as a new account', async () => {
    const { account, mail: message } = await unproven('not-own@example.com')
    const owner = createBrowser()
    const page = await owner.get(message.link!)
    await owner.submit(page, '/verify/anew', { name: 'The Owner', password: otherPassword })
    const owned = (await setup.account('not-own@example.com'))!
    expect(owned.id).not.toBe(account.id)
    expect(await setup.signsIn('not-own@example.com', goodPassword)).toBe(false)
  })
})
