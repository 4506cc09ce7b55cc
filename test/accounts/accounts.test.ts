/** Accounts: all spellings of an email are one row, and every change is audited. */
import { waitFor } from '../support/wait.ts'
import type { Setup } from './setup.ts'
import { createSetup, operator, problemsOf } from './setup.ts'

let setup: Setup
beforeAll(async () => {
  setup = await createSetup()
})
afterAll(() => setup.close())

const password = 'correct horse battery'

test('spellings of an email that differ in case or form are one account, and the email is shown as it was typed', async () => {
  const id = await setup.accounts.create({ email: ' Jos\u00e9@Example.com ' }, operator)
  expect(await setup.accounts.findByEmail('JOSE\u0301@example.COM')).toMatchObject({
    id,
    email: 'Jos\u00e9@Example.com',
  })
  await expect(setup.accounts.create({ email: 'jose\u0301@example.com' }, operator)).rejects.toMatchObject({
    code: 'email_taken',
    status: 409,
  })
})

test('of concurrent creations with one email exactly one succeeds', async () => {
  const tries = ['race@example.com', 'RACE@example.com', ' Race@example.com', 'race@Example.com', 'rAce@example.com']
  const results = await Promise.allSettled(tries.map((email) => setup.accounts.create({ email }, operator)))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('the id is a random UUID', async () => {
  const id = await setup.accounts.create({ email: 'id@example.com' }, operator)
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

test('an invalid id or email finds no account, and causes no database error', async () => {
  expect(await setup.accounts.findById('not a uuid')).toBeUndefined()
  expect(await setup.accounts.findById("' OR 1=1 --")).toBeUndefined()
  for (const email of ['', 'nobody', '\u0000@example.com', '\ud800@example.com', `${'a'.repeat(300)}@example.com`]) {
    expect(await setup.accounts.findByEmail(email)).toBeUndefined()
  }
})

test('every problem of a profile is reported at once', async () => {
  const input = {
    email: 'no address',
    birthdate: '4 May',
    zoneinfo: 'over there',
    locale: '!',
    phoneNumber: '123',
    website: 'javascript:alert(1)',
    name: 'A\u0007',
    roles: ['Admin'],
    address: { street: 'x' } as never,
    isEmailVerified: 'yes' as never,
  }
  expect(await problemsOf(setup.accounts.create({ ...input, password: 'short' }, operator))).toEqual([
    'email not_email',
    'name not_text',
    'birthdate not_birthdate',
    'zoneinfo not_zoneinfo',
    'locale not_locale',
    'website not_web_url',
    'phone_number not_phone_number',
    'address.street unknown_key',
    'email_verified not_boolean',
    'roles[0] not_role',
    'password password_too_short',
  ])
})

test('the database enforces the rules of the profile too', async () => {
  const row = { email: 'a@b', email_key: 'a@b', created_at: 0, updated_at: 0 }
  const refused = [
    { email_key: 'A@b' },
    { email_key: ' a@b' },
    { email_key: 'nobody' },
    { email_key: 'jose\u0301@b' },
    { birthdate: 'x' },
    { picture: 'javascript:1' },
    { password_hash: 'plain text' },
    { roles: ['Admin'] },
    { address: { planet: 'x' } },
    { is_phone_number_verified: true },
    { name: 'x'.repeat(201) },
  ]
  for (const wrong of refused) {
    const insert = setup.db('account').insert({ id: '00000000-0000-4000-8000-000000000000', ...row, ...wrong })
    await expect(insert).rejects.toMatchObject({ code: '23514' })
  }
})

test('a password is stored as a hash only, and has 12 to 128 code points', async () => {
  const id = await setup.accounts.create({ email: 'hash@example.com', password }, operator)
  const account = await setup.accounts.findById(id)
  expect(account?.passwordHash).toMatch(/^\$argon2id\$/)
  expect(await problemsOf(setup.accounts.setPassword(id, '\u{1F511}'.repeat(11), operator))).toEqual([
    'password password_too_short',
  ])
  expect(await problemsOf(setup.accounts.setPassword(id, 'x'.repeat(129), operator))).toEqual([
    'password password_too_long',
  ])
  const shortest = [
    ...'\u{1F511}\u{1F34E}\u{1F40C}\u{1F680}\u{1F3B7}\u{1F9E9}\u{1F341}\u{1F44D}\u{1F56F}\u{1F955}\u{1F3C4}\u{1F6D2}',
  ]
  expect(shortest).toHaveLength(12)
  await setup.accounts.setPassword(id, shortest.join(''), operator)
})

test('setting a password ends every session and token, in the transaction of the change', async () => {
  const id = await setup.accounts.create({ email: 'set@example.com' }, operator)
  await setup.accounts.setPassword(id, password, operator)
  expect(setup.ended).toContain(id)
  expect((await setup.trail())[0]).toMatchObject({
    action: 'account.password_set',
    subject: { id },
    actor: operator.actor,
  })
})

test('disabling ends every session and token, and clears the cached account', async () => {
  const id = await setup.accounts.create({ email: 'off@example.com' }, operator)
  expect(await setup.accounts.findById(id)).toMatchObject({ isDisabled: false })
  await setup.accounts.disable(id, operator)
  expect(setup.ended).toContain(id)
  await waitFor(async () => (await setup.accounts.findById(id))?.isDisabled === true, { timeoutMs: 1000 })
  await setup.accounts.enable(id, operator)
  await waitFor(async () => (await setup.accounts.findById(id))?.isDisabled === false, { timeoutMs: 1000 })
})

test('a change that fails leaves no row and no audit event', async () => {
  const before = (await setup.trail()).length
  const work = setup.database.transaction(async (tx) => {
    await setup.accounts.within(tx).create({ email: 'undone@example.com' }, operator)
    throw new Error('later step fails')
  })
  await expect(work).rejects.toThrow('later step fails')
  expect(await setup.accounts.findByEmail('undone@example.com')).toBeUndefined()
  expect(await setup.trail()).toHaveLength(before)
})

test('a rehash at login does not undo a password set meanwhile', async () => {
  const id = await setup.accounts.create({ email: 'rehash@example.com', password }, operator)
  const old = (await setup.accounts.findByEmail('rehash@example.com'))?.passwordHash ?? ''
  await setup.accounts.setPassword(id, 'another long password', operator)
  expect(await setup.accounts.replacePasswordHash(id, old, await setup.passwords.hash(password))).toBe(false)
})

test('an update changes the fields that it contains, removes those that are null, and keeps the others', async () => {
  const id = await setup.accounts.create({ email: 'edit@example.com', name: 'A', nickname: 'B' }, operator)
  await setup.accounts.update(id, { email: 'edit@example.com', nickname: null, gender: 'x' }, operator)
  const account = await setup.accounts.findByEmail('edit@example.com')
  expect(account).toMatchObject({ name: 'A', gender: 'x' })
  expect(account).not.toHaveProperty('nickname')
  await expect(
    setup.accounts.update('00000000-0000-4000-8000-000000000000', { email: 'a@b' }, operator),
  ).rejects.toMatchObject({ code: 'account_not_found' })
})
