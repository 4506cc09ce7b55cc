/**
 * Invitations to addresses that have an account: the administrator's data counts, and no data of a
 * stranger stays.
 */
import { createBrowser } from '../support/browser.ts'
import { createRelyingParty } from '../support/latchkey.ts'
import type { AccountSetup } from './setup.ts'
import { goodPassword, openAccountSetup, operator, otherPassword } from './setup.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

const invite = (input: { email: string; name?: string; roles?: readonly string[] }) =>
  setup.server.parts.registration.invite(input, operator)

async function accept(link: string) {
  const browser = createBrowser()
  const page = await browser.get(link)
  await browser.submit(page, '/invitation', { name: 'Chosen By Guest', password: goodPassword })
  return page
}

test('an invitation sets name and roles of an account that another user registered, and ends that user’s password, session and tokens', async () => {
  const email = 'registered@example.com'
  const stranger = createRelyingParty(setup.server)
  await setup.register({ email, name: 'Stranger Typed', password: otherPassword }, stranger.browser)
  const { link: registrationLink } = await setup.mailbox.waitFor(email, 'verify')
  const start = await stranger.browser.get(await stranger.authorizeUrl({ scope: 'openid offline_access' }))
  const { code } = await stranger.complete(start, { email, password: otherPassword })
  const tokens = (await stranger.exchange(code!)).body
  const before = (await setup.account(email))!

  const id = await invite({ email, name: 'Guest', roles: ['editor'] })
  expect(id).not.toBe(before.id)
  expect(await setup.account(email)).toMatchObject({ id, name: 'Guest', roles: ['editor'], isEmailVerified: false })
  expect(await setup.signsIn(email, otherPassword)).toBe(false)
  expect((await stranger.refresh(tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
  expect((await stranger.browser.get(registrationLink!)).status).toBe(400)
  expect(await setup.trail(id)).toEqual(expect.arrayContaining(['account.reclaimed', 'account.invited']))

  const page = await accept((await setup.mailbox.waitFor(email, 'invitation')).link!)
  expect(page.body).toContain('value="Guest"')
  expect(page.body).not.toContain('Stranger')
  expect(await setup.account(email)).toMatchObject({ id, isEmailVerified: true, roles: ['editor'] })
  expect(await setup.signsIn(email, goodPassword)).toBe(true)
})

test('without a name the page shows none, and a later registration by another user changes nothing', async () => {
  const email = 'nameless@example.com'
  await setup.register({ email, name: 'Stranger Typed', password: otherPassword })
  await setup.mailbox.waitFor(email, 'verify')
  const id = await invite({ email, roles: ['editor'] })
  const { link } = await setup.mailbox.waitFor(email, 'invitation')
  await setup.register({ email, name: 'Stranger Again', password: otherPassword })
  expect(await setup.account(email)).toMatchObject({ id, roles: ['editor'], passwordHash: undefined })
  const page = await createBrowser().get(link!)
  expect(page.body).not.toContain('Stranger')
  expect(page.body).toMatch(/name="name"[^>]* value=""/)
})

test('a second invitation sets its own name and roles, and keeps what it does not contain', async () => {
  const email = 'twice@example.com'
  const id = await invite({ email, name: 'First Name', roles: ['reader'] })
  expect(await invite({ email, name: 'Second Name' })).toBe(id)
  expect(await setup.account(email)).toMatchObject({ name: 'Second Name', roles: ['reader'] })
  expect(await invite({ email, roles: ['editor', 'reader'] })).toBe(id)
  expect(await setup.account(email)).toMatchObject({ name: 'Second Name', roles: ['editor', 'reader'] })
})

test('an invited imported account with an unproven email keeps its id, and loses password and name', async () => {
  const email = 'imported@example.com'
  const { accounts } = setup.server.parts
  const id = await accounts.create({ email, name: 'Typed Elsewhere', password: otherPassword }, operator)
  expect(await invite({ email, roles: ['editor'] })).toBe(id)
  expect(await setup.signsIn(email, otherPassword)).toBe(false)
  const found = await setup.account(email)
  expect(found).toMatchObject({ id, roles: ['editor'], passwordHash: undefined, generation: 1 })
  expect(found!.name).toBeUndefined()
  const page = await accept((await setup.mailbox.waitFor(email, 'invitation')).link!)
  expect(page.body).not.toContain('Typed Elsewhere')
  expect(await setup.account(email)).toMatchObject({ id, name: 'Chosen By Guest', isEmailVerified: true })
})

test('an invitation ends the consents and factors of an imported account', async () => {
  const email = 'enrolled@example.com'
  const id = await setup.server.parts.accounts.create({ email, name: 'Guest', password: otherPassword }, operator)
  const rp = createRelyingParty(setup.server)
  expect(await rp.signIn({ scope: 'openid email' }, { email, password: otherPassword })).toHaveProperty('id_token')
  const { knex } = setup.server.database
  const createdAt = setup.server.clock.now()
  await knex('recovery_code').insert({ account_id: id, digest: Buffer.alloc(32), created_at: createdAt })
  const rowsOf = (table: string) => knex(table).where({ account_id: id })
  expect(await rowsOf('consent')).toHaveLength(1)
  expect(await invite({ email })).toBe(id)
  expect(await rowsOf('consent')).toEqual([])
  expect(await rowsOf('recovery_code')).toEqual([])
})

test('the page does not show the name of a registration, whichever version created the link', async () => {
  const email = 'older-program@example.com'
  await setup.register({ email, name: 'Stranger Typed', password: otherPassword })
  const { id, generation } = (await setup.account(email))!
  const { emailLinks } = setup.server.parts
  const link = { accountId: id, email, generation }
  const token = await setup.server.database.transaction((tx) => emailLinks.mint(tx, 'invite', link, false))
  const page = await createBrowser().get(setup.at(`/invitation?token=${token}`))
  expect(page.status).toBe(200)
  expect(page.body).not.toContain('Stranger')
})

test('a refused invitation changes nothing', async () => {
  const email = 'kept@example.com'
  await setup.register({ email, password: otherPassword })
  const before = await setup.account(email)
  await expect(invite({ email, name: 'x'.repeat(201) })).rejects.toMatchObject({ code: 'account_invalid' })
  expect(await setup.account(email)).toEqual(before)
  await expect(invite({ email: 'a\0@example.com' })).rejects.toMatchObject({ code: 'account_invalid' })
  await setup.member('proven@example.com')
  await expect(invite({ email: 'proven@example.com' })).rejects.toMatchObject({ code: 'email_taken' })
})
