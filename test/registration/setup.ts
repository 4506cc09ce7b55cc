/**
 * The setup of the tests of accounts: a server that sends email to a real mail server, and the
 * actions of a user in a browser.
 */
import type { Browser, Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { allEmailsSent } from '../support/outbox.ts'

export const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
export const goodPassword = 'lanterns over the quiet river'
export const otherPassword = 'a kettle sings in the morning'

type Options = { env?: Record<string, string>; mailbox?: Mailbox; onLog?: (line: string) => void; isOpen?: boolean }

export type AccountSetup = Awaited<ReturnType<typeof openAccountSetup>>

export async function openAccountSetup({ env = {}, mailbox: given, onLog, isOpen = true }: Options = {}) {
  const mailbox = given ?? (await startMailbox())
  const server: Latchkey = await startLatchkey({ env: { SMTP_URL: mailbox.url, ...env }, ...(onLog && { onLog }) })
  if (isOpen) await server.parts.settings.set('registration', 'open', operator)

  const at = (path: string) => new URL(path, server.issuer).href

  /** Fills in the form at /register, as a user does. */
  async function register(
    fields: { email: string; name?: string; password?: string },
    browser: Browser = createBrowser(),
  ): Promise<Page> {
    const page = await browser.get(at('/register'))
    return browser.submit(page, '/register', { name: 'Somebody New', password: goodPassword, ...fields })
  }

  async function askForRecovery(email: string, browser: Browser = createBrowser()): Promise<Page> {
    return browser.submit(await browser.get(at('/recover')), '/recover', { email })
  }

  /** Registers and verifies the address in one browser. Returns the account. */
  async function member(email: string, password = goodPassword) {
    const browser = createBrowser()
    await register({ email, password }, browser)
    const { link } = await mailbox.waitFor(email, 'verify')
    await browser.submit(await browser.get(link!), '/verify')
    return (await server.parts.accounts.findByEmail(email))!
  }

  const account = (email: string) => server.parts.accounts.findByEmail(email)

  /** Whether this password signs in to this account, through a whole login. */
  async function signsIn(email: string, password: string): Promise<boolean> {
    const rp = createRelyingParty(server)
    const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
    const answer = await rp.browser.submit(page, '/login', { email, password })
    return answer.status === 200
  }

  /** The audit trail of one account, oldest first. */
  async function trail(accountId: string): Promise<string[]> {
    const rows = await server.database
      .knex('audit_event')
      .where({ subject_id: accountId })
      .orderBy('sequence')
      .select('action')
    return rows.map(({ action }) => action)
  }

  return {
    server,
    mailbox,
    at,
    register,
    askForRecovery,
    member,
    account,
    signsIn,
    trail,
    allEmailsSent: () => allEmailsSent(server.database.knex),
    close: async () => {
      await server.stop()
      if (!given) await mailbox.close()
    },
  }
}
