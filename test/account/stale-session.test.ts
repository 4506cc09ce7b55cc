/** A session of an earlier generation of its account is invalid, whatever its row contains. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { signedIn } from '../oidc/support.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, testPassword } from '../support/latchkey.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

test('a session of an earlier generation opens no page of the account, and gives no code', async () => {
  const { browser, authorizeUrl } = await signedIn(server)
  const account = `${server.issuer}/account`
  expect((await browser.get(account)).status).toBe(200)
  // As the version before generations would leave it: the session's row still exists.
  await server.database.knex('account').where({ email: 'alice@example.com' }).increment('generation', 1)
  const page = await browser.get(account)
  expect(page.status).toBe(303)
  expect(new URL(page.next!).pathname).toBe('/authorize')
  const answer = await browser.get(await authorizeUrl({ prompt: 'none' }))
  expect(answer.status).toBe(200)
  // The invalid cookie is removed, and the same request is answered as without a session.
  const again = await browser.get(answer.next!)
  expect(Object.fromEntries(new URL(again.next!).searchParams)).toMatchObject({ error: 'login_required' })
  expect((await createRelyingParty(server, browser).signIn()).access_token).toBeDefined()
})

test('a session that another request renames during a password change ends with the others, and the password is set', async () => {
  const { browser } = await signedIn(server)
  const page = await browser.get(`${server.issuer}/account/password`)
  const { artifacts, accounts } = server.parts
  const account = (await accounts.findByEmail('alice@example.com'))!
  const { renameSession } = artifacts
  let renamed: unknown
  // Another request, outside the running transaction.
  const elsewhere = AsyncLocalStorage.bind(server.database.transaction)
  artifacts.renameSession = async (tx, loaded, renaming) => {
    renamed ??= await elsewhere((other) =>
      renameSession(other, loaded, { ...renaming, id: 'the-name-that-the-thief-has' }),
    )
    return renameSession(tx, loaded, renaming)
  }
  const fields = { currentPassword: testPassword, password: 'the kettle sings at noon' }
  const changed = await browser.submit(page, '/account/password', fields)
  artifacts.renameSession = renameSession
  expect(renamed).toBeDefined()
  expect(changed.status).toBe(303)
  expect((await accounts.findByEmail('alice@example.com'))!.passwordHash).not.toBe(account.passwordHash)
  const sessions = await server.database.knex('artifact').where({ model: 1, account_id: account.id })
  expect(sessions).toEqual([])
})
