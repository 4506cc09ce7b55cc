/** A session that belongs to an earlier generation of its account: over for every page, whatever its row says. */

import { signedIn } from '../oidc/support.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

test('a session of an earlier generation opens no page of the account, and gives no code', async () => {
  const { browser, authorizeUrl } = await signedIn(server)
  const account = `${server.issuer}/account`
  expect((await browser.get(account)).status).toBe(200)
  // As the program before generations would leave it behind: the row lives on.
  await server.database.knex('account').where({ email: 'alice@example.com' }).increment('generation', 1)
  const page = await browser.get(account)
  expect(page.status).toBe(303)
  expect(new URL(page.next!).pathname).toBe('/authorize')
  const answer = await browser.get(await authorizeUrl({ prompt: 'none' }))
  expect(answer.status).toBe(409)
  expect(answer.next).toBeUndefined()
})
