/** `latchkey user`: the accounts that can sign in. */
import { accountDocument, readAccountDocument } from '../accounts/document.ts'
import { accountAmbiguous, accountInvalid, accountNotFound } from '../accounts/errors.ts'
import type { Account, Accounts } from '../accounts/service.ts'
import { clientNotFound } from '../clients/errors.ts'
import type { Call, CliCommand, Outcome } from './command.ts'
import { passwordSourceMissing } from './errors.ts'
import { askForSecret, isInteractive, readJsonObject, readSecretFromStdin } from './input.ts'
import { record, table } from './output.ts'
import { stateOf } from './state.ts'

const emailOrIdArgument = { syntax: '<email-or-id>', text: 'cli.user.who' }
const passwordStdin = { flags: '--password-stdin', text: 'cli.user.passwordStdin' }

const shown = (account: Account): Outcome => {
  const data = accountDocument(account)
  return { data, text: record(data) }
}

/**
 * Throws `account_not_found`. Throws `account_ambiguous` for an email that an account with
 * `emailProblem` `duplicate` has too.
 */
export async function getAccount(accounts: Accounts, emailOrId: string): Promise<Account> {
  const isEmail = emailOrId.includes('@')
  const found = isEmail ? await accounts.findByEmail(emailOrId) : await accounts.findById(emailOrId)
  if (!found) throw accountNotFound({ params: { who: emailOrId } })
  const marked = isEmail ? await accounts.listDuplicatesOf(emailOrId) : []
  if (marked.length > 0) throw accountAmbiguous({ params: { keeper: found.id, marked: marked.join(', ') } })
  return found
}

async function readPassword(call: Call): Promise<string> {
  if (call.options.passwordStdin) return readSecretFromStdin(call.io)
  if (isInteractive(call.io)) return askForSecret(call, call.t('cli.ask.password'))
  throw passwordSourceMissing()
}

const add: CliCommand = {
  name: 'user add',
  about: 'cli.user.add.about',
  arguments: [{ syntax: '<email>', text: 'cli.user.email' }],
  options: [
    passwordStdin,
    { flags: '--no-password', text: 'cli.user.noPassword' },
    { flags: '--email-verified', text: 'cli.user.emailVerified' },
    { flags: '--name <name>', text: 'cli.user.name' },
    { flags: '--given-name <name>', text: 'cli.user.givenName' },
    { flags: '--family-name <name>', text: 'cli.user.familyName' },
    { flags: '--role <role>', text: 'cli.user.role', isRepeated: true },
    { flags: '--claims <file>', text: 'cli.user.claims' },
  ],
  examples: [
    'latchkey user add bob@example.com --name "Bob Example"',
    'latchkey user add bob@example.com --email-verified --password-stdin < password.txt',
  ],
  run: async (call) => {
    const { args, options, io, openParts, by } = call
    const document = {
      ...(typeof options.claims === 'string' ? await readJsonObject(io, options.claims) : {}),
      email: args[0],
      ...(options.emailVerified === undefined ? {} : { email_verified: true }),
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.givenName === undefined ? {} : { given_name: options.givenName }),
      ...(options.familyName === undefined ? {} : { family_name: options.familyName }),
      ...(options.role === undefined ? {} : { roles: options.role }),
    }
    const { input, problems } = readAccountDocument(document)
    if (problems.length > 0) throw accountInvalid(problems)
    const password = options.password === false ? undefined : await readPassword(call)
    const { accounts } = await openParts()
    const id = await accounts.create({ ...input, ...(password === undefined ? {} : { password }) }, by)
    return shown(await getAccount(accounts, id))
  },
}

const invite: CliCommand = {
  name: 'user invite',
  about: 'cli.user.invite.about',
  arguments: [{ syntax: '<email>', text: 'cli.user.email' }],
  options: [
    { flags: '--name <name>', text: 'cli.user.name' },
    { flags: '--role <role>', text: 'cli.user.role', isRepeated: true },
  ],
  examples: ['latchkey user invite bob@example.com', 'latchkey user invite bob@example.com --name "Bob" --role editor'],
  run: async ({ args: [email = ''], options, openParts, by, t }) => {
    const { registration } = await openParts()
    const input = {
      email,
      ...(typeof options.name === 'string' && { name: options.name }),
      ...(Array.isArray(options.role) && { roles: options.role as string[] }),
    }
    const id = await registration.invite(input, by)
    return { data: { id, email }, text: t('cli.user.invited', { email }) }
  },
}

const list: CliCommand = {
  name: 'user list',
  about: 'cli.user.list.about',
  examples: ['latchkey user list', 'latchkey user list --json'],
  run: async ({ openParts, t }) => {
    const found = await (await openParts()).accounts.list()
    const columns = [
      'cli.columns.email',
      'cli.columns.id',
      'cli.columns.name',
      'cli.columns.roles',
      'cli.columns.state',
    ]
    const head = columns.map((column) => t(column))
    const rows = found.map((one) => [one.email, one.id, one.name, one.roles, stateOf(one.isDisabled, t)])
    return { data: { users: found.map(accountDocument) }, text: table(head, rows) }
  },
}

const show: CliCommand = {
  name: 'user show',
  about: 'cli.user.show.about',
  arguments: [emailOrIdArgument],
  examples: ['latchkey user show alice@example.com'],
  run: async ({ args: [id = ''], openParts }) => shown(await getAccount((await openParts()).accounts, id)),
}

const setPassword: CliCommand = {
  name: 'user set-password',
  about: 'cli.user.setPassword.about',
  arguments: [emailOrIdArgument],
  options: [passwordStdin],
  examples: [
    'latchkey user set-password alice@example.com',
    'latchkey user set-password alice@example.com --password-stdin < password.txt',
  ],
  run: async (call) => {
    const password = await readPassword(call)
    const { accounts } = await call.openParts()
    const { id, email } = await getAccount(accounts, call.args[0] ?? '')
    await accounts.setPassword(id, password, call.by)
    return { data: { id, email }, text: call.t('cli.user.passwordSet', { email }) }
  },
}

const disable: CliCommand = {
  name: 'user disable',
  about: 'cli.user.disable.about',
  arguments: [emailOrIdArgument],
  examples: ['latchkey user disable alice@example.com'],
  run: async ({ args: [emailOrIdArgument = ''], openParts, by, t }) => {
    const { accounts } = await openParts()
    const { id, email } = await getAccount(accounts, emailOrIdArgument)
    await accounts.disable(id, by)
    return { data: { id, email, disabled: true }, text: t('cli.isDisabled', { id: email }) }
  },
}

const unlock: CliCommand = {
  name: 'user unlock',
  about: 'cli.user.unlock.about',
  arguments: [emailOrIdArgument],
  examples: ['latchkey user unlock alice@example.com'],
  run: async ({ args: [emailOrIdArgument = ''], openParts, by, t }) => {
    const { accounts } = await openParts()
    const { id, email } = await getAccount(accounts, emailOrIdArgument)
    await accounts.unlock(id, by)
    return { data: { id, email }, text: t('cli.user.isUnlocked', { email }) }
  },
}

const enable: CliCommand = {
  name: 'user enable',
  about: 'cli.user.enable.about',
  arguments: [emailOrIdArgument],
  examples: ['latchkey user enable alice@example.com'],
  run: async ({ args: [emailOrIdArgument = ''], openParts, by, t }) => {
    const { accounts } = await openParts()
    const { id, email } = await getAccount(accounts, emailOrIdArgument)
    await accounts.enable(id, by)
    return { data: { id, email, disabled: false }, text: t('cli.isEnabled', { id: email }) }
  },
}

const access: CliCommand = {
  name: 'user access',
  about: 'cli.user.access.about',
  arguments: [emailOrIdArgument],
  examples: ['latchkey user access alice@example.com'],
  run: async ({ args: [emailOrIdArgument = ''], openParts, t }) => {
    const { accounts, revocation } = await openParts()
    const { sessions, grants } = await revocation.listAccess((await getAccount(accounts, emailOrIdArgument)).id)
    const isoTime = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString())
    const data = {
      sessions: sessions.map(({ handle, signedInAt, clientIds, expiresAt }) => ({
        session: handle,
        signed_in_at: isoTime(signedInAt),
        clients: clientIds,
        expires_at: isoTime(expiresAt),
      })),
      grants: grants.map(({ handle, clientId, issuedAt, expiresAt }) => ({
        grant: handle,
        client: clientId,
        issued_at: isoTime(issuedAt),
        expires_at: isoTime(expiresAt),
      })),
    }
    const columns = (keys: readonly string[]) => keys.map((key) => t(`cli.columns.${key}`))
    const text = [
      table(
        columns(['session', 'since', 'clients', 'until']),
        data.sessions.map((one) => [one.session, one.signed_in_at, one.clients, one.expires_at]),
      ),
      table(
        columns(['grant', 'client', 'since', 'until']),
        data.grants.map((one) => [one.grant, one.client, one.issued_at, one.expires_at]),
      ),
    ].join('\n')
    return { data, text }
  },
}

const withdrawConsent: CliCommand = {
  name: 'user withdraw-consent',
  about: 'cli.user.withdrawConsent.about',
  arguments: [emailOrIdArgument, { syntax: '<client-id>', text: 'cli.client.id' }],
  examples: ['latchkey user withdraw-consent alice@example.com demo-web'],
  run: async ({ args: [emailOrIdArgument = '', clientId = ''], openParts, by, t }) => {
    const { accounts, clients, revocation } = await openParts()
    const { id, email } = await getAccount(accounts, emailOrIdArgument)
    if (!(await clients.findById(clientId))) throw clientNotFound({ params: { clientId } })
    const rows = await revocation.revokeConsent(id, clientId, by)
    return {
      data: { id, email, client_id: clientId, rows },
      text: t('cli.user.consentWithdrawn', { email, clientId }),
    }
  },
}

export const userCommands: readonly CliCommand[] = [
  add,
  invite,
  list,
  show,
  setPassword,
  disable,
  enable,
  unlock,
  access,
  withdrawConsent,
]
