/**
 * `latchkey user set-email`: sets another email of an account, for example when emails no longer
 * reach the user.
 */
import type { CliCommand } from './command.ts'
import { getAccount } from './user.ts'

export const setEmail: CliCommand = {
  name: 'user set-email',
  about: 'cli.user.setEmail.about',
  arguments: [
    { syntax: '<email-or-id>', text: 'cli.user.who' },
    { syntax: '<new-email>', text: 'cli.user.setEmail.newEmail' },
  ],
  options: [{ flags: '--email-verified', text: 'cli.user.emailVerified' }],
  examples: [
    'latchkey user set-email bob@example.com bob@example.org',
    'latchkey user set-email 6f1c2c1e-0d3b-4f5a-9c57-3f0f2a5d8b11 bob@example.org --email-verified',
  ],
  run: async ({ args: [emailOrIdArgument = '', email = ''], options, openParts, by, t }) => {
    const { accounts, setEmail } = await openParts()
    const { id } = await getAccount(accounts, emailOrIdArgument)
    const isVerified = options.emailVerified !== undefined
    await setEmail(id, { email, isVerified }, by)
    // Reads past the cache, which may not contain the change yet.
    const shown = (await accounts.readById(id))?.email ?? email
    return {
      data: { id, email: shown, email_verified: isVerified },
      text: t('cli.user.setEmail.done', { id, email: shown }),
    }
  },
}
