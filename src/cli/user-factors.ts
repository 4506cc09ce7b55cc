/** `user factors`, `user reset-factors`, `user require-factor`: second factors, for support. */
import type { CliCommand } from './command.ts'
import { record } from './output.ts'
import { getAccount } from './user.ts'

const emailOrIdArgument = { syntax: '<email-or-id>', text: 'cli.user.who' }

const show: CliCommand = {
  name: 'user factors',
  about: 'cli.user.factors.about',
  arguments: [emailOrIdArgument],
  examples: ['latchkey user factors alice@example.com'],
  run: async ({ args: [id = ''], openParts }) => {
    const { accounts, factors, factorResets, loginSteps } = await openParts()
    const account = await getAccount(accounts, id)
    const { enrolled, recoveryCodes, disabled: off } = await factors.show(account.id)
    const reset = await factorResets.pending({ accountId: account.id, generation: account.generation })
    const data = {
      id: account.id,
      email: account.email,
      required: factors.requiresFactor(account),
      factors: enrolled,
      off,
      recovery_codes: recoveryCodes,
      remembered_browsers: await loginSteps.countRemembered(account.id),
      ...(reset && { reset_due: new Date(reset.dueAt).toISOString() }),
    }
    return { data, text: record(data) }
  },
}

const reset: CliCommand = {
  name: 'user reset-factors',
  about: 'cli.user.resetFactors.about',
  arguments: [emailOrIdArgument],
  examples: ['latchkey user reset-factors alice@example.com'],
  run: async ({ args: [id = ''], openParts, by, t }) => {
    const { accounts, factors } = await openParts()
    const account = await getAccount(accounts, id)
    const removed = await factors.reset(account.id, by)
    const { email } = account
    return {
      data: { id: account.id, email, removed },
      text: t('cli.user.factorsReset', { email, count: removed.length }),
    }
  },
}

const requireFactor: CliCommand = {
  name: 'user require-factor',
  about: 'cli.user.requireFactor.about',
  arguments: [emailOrIdArgument],
  options: [{ flags: '--off', text: 'cli.user.requireFactor.off' }],
  examples: ['latchkey user require-factor alice@example.com', 'latchkey user require-factor alice@example.com --off'],
  run: async ({ args: [id = ''], options, openParts, by, t }) => {
    const { accounts, factors } = await openParts()
    const account = await getAccount(accounts, id)
    const isRequired = options.off === undefined
    await factors.require(account.id, isRequired, by)
    const { email } = account
    const text = t(isRequired ? 'cli.user.factorRequired' : 'cli.user.factorOptional', { email })
    return { data: { id: account.id, email, required: isRequired }, text }
  },
}

export const userFactorCommands: readonly CliCommand[] = [show, reset, requireFactor]
