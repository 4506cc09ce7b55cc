/** Accounts: decides about rows of `account`. Every change is audited in its own transaction. */
import type { Audit, Initiator } from '../audit/service.ts'
import type { AccountReset } from '../authentication/account-reset-types.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { RowCache } from '../database/row-cache.ts'
import type { PasswordHasher } from '../passwords/hasher.ts'
import type { CheckPassword } from '../passwords/service.ts'
import type { Problem } from '../problems.ts'
import type { Random } from '../random.ts'
import type { Account, AccountChange, AccountInput } from './account.ts'
import { checkAccount, checkClaims, checkEmail } from './document.ts'
import { normaliseEmail, readMailbox } from './email.ts'
import { accountInvalid, accountNotFound, emailTaken } from './errors.ts'
import { listDuplicates } from './mailbox-backfill-repository.ts'
import * as repository from './repository.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  /**
   * Rows by id, invalidated by notifications of the database: `createRowCache({ table: 'account',
   * load: loadAccount(db) })`.
   */
  cache: RowCache<Account>
  audit: Audit
  passwords: PasswordHasher
  /** Checks a new password for this user. */
  checkPassword: CheckPassword
  clock: Clock
  random: Random
  /** Begins a new generation within the transaction, which ends earlier sessions and sign-ins. */
  resetAccount: AccountReset
  /** Passkeys cannot sign in alone until they are used with the new password. */
  revokePasskeyTrust: (tx: Tx, accountId: string) => Promise<void>
  /** Removes the lock of an email address after failed logins. */
  clearFailedLogins: (tx: Tx, account: Account) => Promise<void>
}

export type { Account, AccountChange, AccountInput } from './account.ts'
export type Accounts = ReturnType<typeof createAccounts>
export type AccountWrites = ReturnType<typeof createWrites>
export type NewAccount = AccountInput & { password?: string }

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Loads accounts for the row cache. An id that is not a UUID is unknown, not a database error. */
export const loadAccount =
  (db: Queryable) =>
  async (id: string): Promise<Account | undefined> =>
    uuid.test(id) ? repository.findAccountById(db, id) : undefined

export function createAccounts(deps: Deps) {
  const { db, cache } = deps
  return {
    /** Finds an account by the `sub` of a token, from memory while change notifications arrive. */
    findById: (id: string): Promise<Account | undefined> => cache.get(id),
    /** Always reads the database: for decisions about passwords. */
    readById: loadAccount(db),
    /** Digest of the browser that registered the account, while its email is unproven. */
    readRegisteredBrowser: (id: string): Promise<Buffer | undefined> => repository.findRegisteredBrowser(db, id),
    /** Finds an account by a typed email. Always reads the database. */
    findByEmail: async (email: string): Promise<Account | undefined> => {
      const mailbox = readMailbox(email)
      return mailbox && repository.findAccountByMailbox(db, mailbox.key)
    },
    /** Ids of accounts with this mailbox that cannot sign in, because another account has it. */
    listDuplicatesOf: async (email: string): Promise<readonly string[]> => {
      const key = readMailbox(email)?.key
      const marked = await listDuplicates(db)
      return marked.filter((one) => key !== undefined && readMailbox(one.email)?.key === key).map(({ id }) => id)
    },
    /** Ordered by email address, at most `limit` (default 1000). */
    list: (limit = 1000): Promise<Account[]> => repository.listAccounts(db, limit),
    /**
     * Stores the same password hashed at the new cost, at login. Not a change of the account:
     * nothing is ended or audited.
     */
    replacePasswordHash: (id: string, before: string, after: string): Promise<boolean> =>
      repository.swapPasswordHash(db, id, before, after),
    /** Checks a user's own input, except for the password. */
    checkProfile: (input: Readonly<Record<string, unknown>>): Problem[] => checkAccount(input),
    ...createWrites(deps),
    /** The same changes, within the caller's transaction. */
    within: (tx: Tx): AccountWrites => createWrites({ ...deps, transaction: (work) => work(tx) }),
  }
}

function createWrites(deps: Deps) {
  const { transaction, cache, audit, passwords, clock, random, resetAccount } = deps

  async function change(id: string, work: (tx: Tx, account: Account) => Promise<void>): Promise<void> {
    await transaction(async (tx) => {
      const account = uuid.test(id) ? await repository.findAccountForUpdate(tx, id) : undefined
      if (!account) throw accountNotFound()
      await work(tx, account)
    })
    cache.forget(id)
  }

  const setDisabled = (id: string, isDisabled: boolean, by: Initiator): Promise<void> =>
    change(id, async (tx, account) => {
      if (account.isDisabled === isDisabled) return
      await repository.updateDisabled(tx, id, isDisabled, clock.now())
      // Also when enabled: writes by requests that ran during the disabling must not become valid.
      await resetAccount(tx, id)
      const action = isDisabled ? 'account.disabled' : 'account.enabled'
      await audit.record(tx, { action, by, subject: subject(id), outcome: 'success' })
    })

  return {
    /**
     * Creates an account; without `password` no password signs in. Returns its id.
     * Throws `account_invalid` with every problem, `email_taken`, `hashing_busy`.
     */
    create: async (input: NewAccount, by: Initiator): Promise<string> => {
      const problems = await checkInput(input, deps)
      if (problems.length > 0) throw accountInvalid(problems)
      const { password, ...rest } = input
      // Hashing takes a fifth of a second, so it runs before the transaction.
      const passwordHash = password === undefined ? undefined : await passwords.hash(password, {})
      const id = random.id()
      await transaction(async (tx) => {
        await nameTaken(repository.insertAccount(tx, { ...rest, id, passwordHash, at: clock.now() }))
        const details = { fields: fieldsOf(rest), hasPassword: passwordHash !== undefined }
        await audit.record(tx, { action: 'account.created', by, subject: subject(id), outcome: 'success', details })
      })
      return id
    },

    /** Changes the named fields. Throws `account_invalid`, `account_not_found`, `email_taken`. */
    update: async (id: string, input: AccountChange, by: Initiator): Promise<void> => {
      const { email } = input
      const problems = [...(email === undefined ? [] : checkEmail(email)), ...checkClaims(input)]
      if (problems.length > 0) throw accountInvalid(problems)
      await change(id, async (tx, before) => {
        await nameTaken(repository.updateAccount(tx, id, input, clock.now()))
        // Another email address is another way to recover the account.
        if (email !== undefined && normaliseEmail(before.email) !== normaliseEmail(email)) await resetAccount(tx, id)
        const details = { fields: fieldsOf(input) }
        await audit.record(tx, { action: 'account.updated', by, subject: subject(id), outcome: 'success', details })
      })
    },

    /**
     * Sets a password and ends every session and token. Throws `account_invalid`,
     * `account_not_found`, `hashing_busy`.
     */
    setPassword: async (id: string, password: string, by: Initiator): Promise<void> => {
      const person = uuid.test(id) ? await repository.findAccountById(deps.db, id) : undefined
      if (!person) throw accountNotFound()
      const problems = await deps.checkPassword(password, person)
      if (problems.length > 0) throw accountInvalid(problems)
      const passwordHash = await passwords.hash(password, {})
      await change(id, async (tx, account) => {
        await deps.clearFailedLogins(tx, account)
        await repository.updatePasswordHash(tx, id, passwordHash, clock.now())
        await deps.revokePasskeyTrust(tx, id)
        await resetAccount(tx, id)
        await audit.record(tx, { action: 'account.password_set', by, subject: subject(id), outcome: 'success' })
      })
    },

    /** Allows sign-in again after too many failed attempts. Throws `account_not_found`. */
    unlock: (id: string, by: Initiator): Promise<void> =>
      change(id, async (tx, account) => {
        await deps.clearFailedLogins(tx, account)
        await audit.record(tx, { action: 'account.unlocked', by, subject: subject(id), outcome: 'success' })
      }),

    /** Refuses sign-ins and ends every session and token. A disabled account stays disabled. */
    disable: (id: string, by: Initiator): Promise<void> => setDisabled(id, true, by),
    enable: (id: string, by: Initiator): Promise<void> => setDisabled(id, false, by),
  }
}

async function checkInput({ password, ...input }: NewAccount, { checkPassword }: Deps): Promise<Problem[]> {
  const problems = checkAccount(input)
  return password === undefined ? problems : [...problems, ...(await checkPassword(password, input))]
}

const subject = (id: string) => ({ type: 'account', id })
const fieldsOf = (input: object): string[] =>
  Object.entries(input).flatMap(([field, value]) => (value === undefined ? [] : [field]))

async function nameTaken(write: Promise<void>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (repository.isMailboxTaken(error)) throw emailTaken()
    throw error
  }
}
