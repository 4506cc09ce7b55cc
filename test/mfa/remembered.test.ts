/**
 * The token of a browser that skips the second factor: different for each account and each time.
 */
import { testOrigin } from '../audit/origins.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server?.stop())

async function person(email: string) {
  const id = await server.parts.accounts.create({ email, isEmailVerified: true }, operator)
  return { id, generation: 0 }
}

test('each time a browser is remembered it gets a new token, for one user or two', async () => {
  const { loginSteps } = server.parts
  const [one, two] = [await person('one@people.example'), await person('two@people.example')]
  const tokens = []
  for (const account of [one, two, one])
    tokens.push((await loginSteps.remember(account, { origin: testOrigin }))!.token)
  expect(new Set(tokens).size).toBe(3)
  expect(tokens.filter((token) => !/^[\w-]{43}$/.test(token))).toEqual([])
  expect(await loginSteps.countRemembered(one.id)).toBe(2)
  expect(await loginSteps.countRemembered(two.id)).toBe(1)
})

test('a browser is not remembered for an earlier generation of the account', async () => {
  const account = await person('reset@people.example')
  await server.parts.accounts.disable(account.id, operator)
  expect(await server.parts.loginSteps.remember(account, { origin: testOrigin })).toBeUndefined()
  expect(await server.parts.loginSteps.countRemembered(account.id)).toBe(0)
})

test('an account reset gives the browser that continues a new token, and a copy of the old token is invalid', async () => {
  const account = await person('copied@people.example')
  const { loginSteps, resetAccount } = server.parts
  const before = (await loginSteps.remember(account, { origin: testOrigin }))!.token
  const end = await server.database.transaction((tx) => resetAccount(tx, account.id, { rememberedToken: before }))
  expect(end).toMatchObject({ generation: 1, rememberedToken: expect.stringMatching(/^[\w-]{43}$/) })
  expect(end.rememberedToken).not.toBe(before)
  const rows = await server.database.knex('remembered_browser').where({ account_id: account.id })
  expect(rows).toMatchObject([{ generation: 1 }])
  // The copied token matches no row, also in the next reset.
  await server.database.transaction((tx) => resetAccount(tx, account.id, { rememberedToken: before }))
  expect(await loginSteps.countRemembered(account.id)).toBe(0)
})
