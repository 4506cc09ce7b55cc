/** Security notifications are sent to the address that the account had when they were requested. */
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { allEmailsSent } from '../support/outbox.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const password = 'the lantern of somebody is lit'

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

async function person(name: string, isEmailVerified = true) {
  const email = `${name}@notices.example`
  const id = await server.parts.accounts.create({ email, isEmailVerified, password }, operator)
  return { id, email }
}

test('a waiting notification does not go to an address that an attacker has set meanwhile', async () => {
  const { id, email } = await person('owner')
  const thief = 'thief@notices.example'
  await server.database.transaction(async (tx) => {
    await server.parts.sendEmail(tx, {
      mail: 'factor_added',
      accountId: id,
      method: 'passkey',
      askedAtMs: server.clock.now(),
    })
    // In the same transaction, before the email is sent.
    await tx('account').where({ id }).update({ email: thief, email_key: thief })
  })
  await mailbox.waitFor(email, 'factor_added')
  expect(mailbox.to(thief)).toEqual([])
})

test('an unproven address gets no notification, even when it is proven before the email is sent', async () => {
  const { id, email } = await person('unproven', false)
  await server.database.transaction(async (tx) => {
    await server.parts.sendEmail(tx, { mail: 'password_changed', accountId: id, askedAtMs: server.clock.now() })
    await tx('account').where({ id }).update({ is_email_verified: true })
  })
  const other = await person('after')
  await server.parts.accounts.setPassword(other.id, 'another lantern is lit now', operator)
  await server.database.transaction((tx) =>
    server.parts.sendEmail(tx, { mail: 'password_changed', accountId: other.id, askedAtMs: server.clock.now() }),
  )
  await mailbox.waitFor(other.email, 'password_changed')
  await allEmailsSent(server.database.knex)
  expect(mailbox.to(email)).toEqual([])
})
