/** The generation of an account: only a reset increases it, and ends what began before. */

import { createProfileChanges } from '../../src/account/profile.ts'
import { createAccountRecords } from '../../src/accounts/records.ts'
import { testOrigin } from '../audit/origins.ts'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, operator, otherPassword } from '../registration/setup.ts'
import { createBrowser } from '../support/browser.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup()
})
afterAll(() => setup?.close())

type Person = { id: string; email: string }
/** `make` creates the account; a member by default. */
type Way = [way: string, work: (person: Person) => Promise<unknown>, make?: (email: string) => Promise<Person>]

const parts = () => setup.server.parts
const where = { browser: undefined, origin: testOrigin }
const proof = { password: goodPassword }

/** Reads the row, because the account cache may be slightly late. */
const generationOf = async (id: string): Promise<number> =>
  (await setup.server.database.knex('account').where({ id }).first('generation')).generation

async function mint(purpose: 'verify' | 'recover' | 'change_email' | 'invite', { id }: Person, email: string) {
  const { generation } = (await parts().accounts.readById(id))!
  const link = { accountId: id, email, generation }
  return (await setup.server.database.transaction((tx) => parts().emailLinks.mint(tx, purpose, link, false)))!
}

/** Everything that begins before and could finish after. */
async function beginAll(person: Person) {
  const account = (await parts().accounts.readById(person.id))!
  await mint('recover', person, person.email)
  await mint('change_email', person, `elsewhere-${person.id}@example.com`)
  await setup.server.database.transaction((tx) => parts().loginThrottle.rememberBrowser(tx, 'a browser', account))
  await parts().loginSteps.remember(account, { origin: testOrigin })
  return account.generation
}

/** Valid rows, by table. */
async function living(accountId: string) {
  const { knex } = setup.server.database
  const current = { account_id: accountId, generation: await generationOf(accountId) }
  // An invitation's email creates a link of the new generation at its own time.
  const begun = knex('account_link').where(current).whereNotNull('digest').whereNot({ purpose: 'invite' })
  const emailLinks = await begun.select('purpose')
  return {
    links: emailLinks.map(({ purpose }) => purpose).sort(),
    known: (await knex('known_browser').where(current)).length,
    remembered: (await knex('remembered_browser').where(current)).length,
  }
}

const unproven = async (email: string, password?: string): Promise<Person> => {
  const id = await parts().accounts.create({ email, ...(password !== undefined && { password }) }, operator)
  return { id, email }
}

const named = (ways: readonly Way[]) =>
  ways.map(([way, work, make]) => ({ way, work, make: make ?? ((email: string) => setup.member(email)) }))

const resets: Way[] = [
  [
    'a change of the password',
    ({ id }) =>
      parts().accountChanges.changePassword({ accountId: id, origin: testOrigin, proof, newPassword: otherPassword }),
  ],
  [
    'a recovery',
    async (person) => {
      const token = await mint('recover', person, person.email)
      await parts().recovery.reset(token, otherPassword, testOrigin)
    },
  ],
  [
    'a new beginning in an account that an operator imported',
    async (person) => {
      const token = await mint('verify', person, person.email)
      await parts().registration.startOver(token, { name: 'The Owner', password: otherPassword }, where)
    },
    (email) => unproven(email, goodPassword),
  ],
  [
    'an invitation that is accepted by an account that was there before',
    async (person) => {
      const token = await mint('invite', person, person.email)
      await parts().registration.acceptInvitation(token, { name: 'The Guest', password: otherPassword }, where)
    },
    (email) => unproven(email),
  ],
  [
    'an invitation that takes an unproven password away',
    ({ email }) => parts().registration.invite({ email }, operator),
    (email) => unproven(email, goodPassword),
  ],
  ['user set-password', ({ id }) => parts().accounts.setPassword(id, otherPassword, operator)],
  ['user disable', ({ id }) => parts().accounts.disable(id, operator)],
  [
    'user enable',
    ({ id }) => parts().accounts.enable(id, operator),
    async (email) => {
      const { id } = await setup.member(email)
      await parts().accounts.disable(id, operator)
      return { id, email }
    },
  ],
  ['user reset-factors', ({ id }) => parts().factors.reset(id, operator)],
  [
    'a request to delete the account',
    ({ id }) => parts().accountDeletion.request({ accountId: id, origin: testOrigin, proof }),
  ],
  [
    'a change of the email address that is completed',
    async (person) => {
      const token = await mint('change_email', person, `moved-${person.email}`)
      await parts().accountChanges.confirmEmailChange(token, { ...proof, origin: testOrigin })
    },
  ],
  [
    'another email address by an operator',
    ({ id, email }) => parts().accounts.update(id, { email: `other-${email}` }, operator),
  ],
]

test.each(named(resets))(
  '$way raises the generation, and ends links, known and remembered browsers',
  async ({ way, work, make }) => {
    const person = await make(`reset-${crypto.randomUUID()}@example.com`)
    const before = await beginAll(person)
    expect(await living(person.id)).toMatchObject({ links: ['change_email', 'recover'], known: 1, remembered: 1 })
    await work(person)
    expect(await generationOf(person.id)).toBe(before + 1)
    // A recovery makes its browser known.
    expect(await living(person.id)).toEqual({ links: [], known: way === 'a recovery' ? 1 : 0, remembered: 0 })
  },
)

const others: Way[] = [
  ['a sign-in', ({ email }) => setup.signsIn(email, goodPassword)],
  [
    'the hash of the same password under today’s cost',
    async ({ id }) => {
      const { passwordHash } = (await parts().accounts.readById(id))!
      const again = await parts().passwords.hash(goodPassword)
      expect(await parts().accounts.replacePasswordHash(id, passwordHash!, again)).toBe(true)
    },
  ],
  [
    'another profile',
    ({ id, email }) => parts().accounts.update(id, { email: email.toUpperCase(), name: 'Renamed' }, operator),
  ],
  ['user require-factor', ({ id }) => parts().factors.require(id, true, operator)],
  ['user unlock', ({ id }) => parts().accounts.unlock(id, operator)],
  [
    'a request for another email address',
    ({ id }) =>
      parts().accountChanges.requestEmailChange({
        accountId: id,
        origin: testOrigin,
        proof,
        newEmail: `asked-${id}@example.com`,
      }),
  ],
  ['a registration of the same address', ({ email }) => setup.register({ email, password: otherPassword })],
  [
    'a registration of the same address in the same browser, unproven',
    ({ email }) => setup.register({ email, password: otherPassword }),
    async (email) => {
      await setup.register({ email })
      return { id: (await setup.account(email))!.id, email }
    },
  ],
  ['an account that is kept after all', ({ id }) => parts().accountDeletion.cancel(id, 0, testOrigin)],
]

test.each(named(others))('$way does not change the generation', async ({ work, make }) => {
  const person = await make(`same-${crypto.randomUUID()}@example.com`)
  const before = await beginAll(person)
  await work(person)
  expect(await generationOf(person.id)).toBe(before)
  expect(await living(person.id)).toMatchObject({ remembered: 1 })
  expect(await setup.server.database.knex('account_link').where({ account_id: person.id, purpose: 'recover' })).toEqual(
    [expect.objectContaining({ digest: expect.any(Buffer) })],
  )
})

test('after a password change only the browser that made it stays known and remembered', async () => {
  const person = await setup.member('keeps-browser@example.com')
  const account = (await parts().accounts.readById(person.id))!
  await beginAll(person)
  await setup.server.database.transaction((tx) => parts().loginThrottle.rememberBrowser(tx, 'this browser', account))
  const { token } = (await parts().loginSteps.remember(account, { origin: testOrigin }))!
  await parts().accountChanges.changePassword({
    origin: testOrigin,
    accountId: person.id,
    proof,
    newPassword: otherPassword,
    browser: { knownToken: 'this browser', rememberedToken: token },
  })
  expect(await living(person.id)).toEqual({ links: [], known: 1, remembered: 1 })
  const { knex } = setup.server.database
  for (const table of ['known_browser', 'remembered_browser']) {
    expect(await knex(table).where({ account_id: person.id })).toHaveLength(1)
  }
})

test('disable and enable end every link: those that were sent, and those whose email still waits', async () => {
  const email = 'off-and-on@example.com'
  const { id } = await setup.member(email)
  await parts().accountChanges.requestEmailChange({
    accountId: id,
    origin: testOrigin,
    proof,
    newEmail: 'stranger@example.com',
  })
  const { link } = await setup.mailbox.waitFor('stranger@example.com', 'email_change')
  await setup.askForRecovery(email)
  const recovery = (await setup.mailbox.waitFor(email, 'recovery')).link!
  const waiting = { accountId: id, email: 'stranger@example.com', generation: 0 }
  await parts().accounts.disable(id, operator)
  await parts().accounts.enable(id, operator)
  for (const one of [link!, recovery]) expect((await createBrowser().get(one)).status).toBe(400)
  const late = await setup.server.database.transaction((tx) =>
    parts().emailLinks.mint(tx, 'change_email', waiting, false),
  )
  expect(late).toBeUndefined()
})

test('a profile that is sent from a session of an earlier generation is refused', async () => {
  const account = await setup.member('profile-late@example.com')
  const profile = createProfileChanges({
    accounts: parts().accounts,
    records: createAccountRecords({ clock: setup.server.clock }),
    transaction: setup.server.database.transaction,
  })
  const claims = 'name given_name family_name nickname birthdate zoneinfo locale website phone_number'.split(' ')
  const said = Object.fromEntries(claims.map((claim) => [claim, claim === 'name' ? 'Too Late' : '']))
  await parts().accounts.setPassword(account.id, otherPassword, operator)
  const late = profile.change(account, said as Parameters<typeof profile.change>[1], testOrigin)
  await expect(late).rejects.toMatchObject({ code: 'account_reset', status: 409 })
  expect((await parts().accounts.readById(account.id))!.name).toBe('Somebody New')
})

test('a reset of an imported account ends the links that were requested with its first password', async () => {
  const email = 'imported-links@example.com'
  const person = await unproven(email, goodPassword)
  await parts().accountChanges.requestEmailChange({
    accountId: person.id,
    origin: testOrigin,
    proof,
    newEmail: 'thief@example.com',
  })
  const { link } = await setup.mailbox.waitFor('thief@example.com', 'email_change')
  const token = await mint('verify', person, email)
  await parts().registration.startOver(token, { name: 'The Owner', password: otherPassword }, where)
  expect((await createBrowser().get(link!)).status).toBe(400)
  await expect(
    parts().accountChanges.confirmEmailChange(new URL(link!).searchParams.get('token')!, {
      ...proof,
      origin: testOrigin,
    }),
  ).rejects.toMatchObject({ code: 'link_expired' })
})
