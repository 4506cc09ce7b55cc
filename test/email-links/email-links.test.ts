/** Links in emails: one purpose, one use, one valid link for each account. */
import { createEmailLinks } from '../../src/email-links/service.ts'
import { systemRandom } from '../../src/random.ts'
import { createTestClock } from '../support/clock.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'

let store: TestDatabase
const clock = createTestClock()
const accountId = crypto.randomUUID()
const link = { accountId, email: 'a@example.com', generation: 0 }

beforeAll(async () => {
  store = await createTestDatabase()
  const row = { id: accountId, email: link.email, email_key: link.email, created_at: 0, updated_at: 0 }
  await store.database.knex('account').insert(row)
})
afterAll(() => store.close())

const emailLinks = () => createEmailLinks({ db: store.database.knex, clock, random: systemRandom })
const mint = (purpose: 'verify' | 'recover', isRepetition = false) =>
  store.database.transaction((tx) => emailLinks().mint(tx, purpose, link, isRepetition))

test('a token has 256 bits, and is found only under its own purpose', async () => {
  const token = (await mint('verify'))!
  expect(Buffer.from(token, 'base64url')).toHaveLength(32)
  expect(await emailLinks().get('verify', token)).toEqual(link)
  for (const purpose of ['recover', 'change_email', 'invite'] as const) {
    await expect(emailLinks().get(purpose, token)).rejects.toMatchObject({ code: 'link_expired' })
  }
  // The digest covers the purpose: it does not match after the row was moved to another purpose by
  // hand.
  await store.database.knex('account_link').where({ purpose: 'verify' }).update({ purpose: 'recover' })
  await expect(emailLinks().get('recover', token)).rejects.toMatchObject({ code: 'link_expired' })
  await store.database.knex('account_link').delete()
})

test.each(['', 'x', 'x'.repeat(43), 'x'.repeat(200), '\0', `${'x'.repeat(42)}\n`])(
  'a malformed token (%j) is refused',
  async (token) => {
    await expect(emailLinks().get('verify', token)).rejects.toMatchObject({ code: 'link_expired' })
    await expect(store.database.transaction((tx) => emailLinks().spend(tx, 'verify', token))).rejects.toMatchObject({
      code: 'link_expired',
    })
  },
)

test('a use in a rolled-back transaction does not spend the link', async () => {
  const token = (await mint('verify'))!
  const use = (isFailing: boolean) =>
    store.database.transaction(async (tx) => {
      await emailLinks().spend(tx, 'verify', token)
      if (isFailing) throw new Error('later in the transaction')
    })
  await expect(use(true)).rejects.toThrow('later')
  await use(false)
  await expect(use(false)).rejects.toMatchObject({ code: 'link_expired' })
})

test('a link that expires after it was found is not spent', async () => {
  const token = (await mint('recover'))!
  clock.advance(30 * 60_000 - 1)
  expect(await emailLinks().get('recover', token)).toEqual(link)
  clock.advance(1)
  const spending = store.database.transaction((tx) => emailLinks().spend(tx, 'recover', token))
  await expect(spending).rejects.toMatchObject({ code: 'link_expired' })
})

test('a repeated email does not count for the limit, and concurrent requests do not exceed it', async () => {
  clock.advance(2 * 3_600_000)
  expect(await mint('recover')).toBeDefined()
  for (let times = 0; times < 5; times += 1) expect(await mint('recover', true)).toBeDefined()
  expect(await mint('recover')).toBeDefined()
  const made = await Promise.all([mint('recover'), mint('recover'), mint('recover')])
  expect(made.filter((token) => token !== undefined)).toHaveLength(1)
  clock.advance(3_600_000)
  expect(await mint('recover')).toBeDefined()
})

test('ended links are refused; links of another purpose stay valid', async () => {
  clock.advance(2 * 3_600_000)
  const [verify, recover] = [(await mint('verify'))!, (await mint('recover'))!]
  await store.database.transaction((tx) => emailLinks().end(tx, accountId, ['recover']))
  await expect(emailLinks().get('recover', recover)).rejects.toMatchObject({ code: 'link_expired' })
  expect(await emailLinks().get('verify', verify)).toEqual(link)
})
