/**
 * Changes of an account that other features make within their own transaction. They write the audit
 * trail themselves.
 */
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import type { Account } from './account.ts'
import { checkEmail } from './document.ts'
import { normaliseEmail, showEmail } from './email.ts'
import { accountInvalid, accountNotFound, accountReset, emailTaken } from './errors.ts'
import * as repository from './repository.ts'

export type AccountRecords = ReturnType<typeof createAccountRecords>
export type LockedAccount = Readonly<{
  account: Account
  /** Digest of the browser that registered the account; undefined once the address is proven, and for accounts that others made. */
  registeredBrowser: Buffer | undefined
}>

type RegisteredAccount = Readonly<{ id: string; email: string; name: string; passwordHash: string }>

export function createAccountRecords({ clock }: { clock: Clock }) {
  return {
    normaliseEmail,
    showEmail,

    /**
     * Adds a person who registers in that browser; false when the address has an account.
     * That is not changed: the next person at a shared computer has the same browser.
     */
    insertRegistered: (tx: Tx, row: RegisteredAccount, browser: Buffer): Promise<boolean> =>
      repository.insertUnlessTaken(tx, { ...row, isEmailVerified: false, at: clock.now() }, browser),

    /** Adds a person who has proven the address. Throws `email_taken`. */
    insertProven: async (tx: Tx, row: RegisteredAccount): Promise<void> => {
      const isMade = await repository.insertUnlessTaken(tx, { ...row, isEmailVerified: true, at: clock.now() }, null)
      if (!isMade) throw emailTaken()
    },

    /**
     * Reads and locks the row: what is decided on it stays true until the transaction ends. `generation` is the one that the request
     * read together with its credential. Throws `account_not_found`, and `account_reset` when that generation is over.
     */
    lock: async (tx: Tx, id: string, generation?: number): Promise<LockedAccount> => {
      const account = await repository.findAccountForUpdate(tx, id, generation)
      if (!account) throw generation === undefined ? accountNotFound() : accountReset()
      return { account, registeredBrowser: await repository.findRegisteredBrowser(tx, id) }
    },

    /** Says that the account was reset since the request began. Throws `account_reset`. */
    refuseReset: (): never => {
      throw accountReset()
    },

    /** Begins a new generation; gives it. What carries a lower one is refused from the commit on. Throws `account_not_found`. */
    raiseGeneration: async (tx: Tx, id: string): Promise<number> => {
      const generation = await repository.raiseGeneration(tx, id)
      if (generation === undefined) throw accountNotFound()
      return generation
    },

    findIdByEmail: async (tx: Tx, email: string): Promise<string | undefined> =>
      (await repository.findAccountByMailbox(tx, normaliseEmail(email)))?.id,

    /** The account's email address, if it is proven. */
    findProvenEmail: async (tx: Tx, id: string): Promise<string | undefined> => {
      const account = await repository.findAccountById(tx, id)
      return account?.isEmailVerified ? account.email : undefined
    },

    /** The address is proven to be this person's. */
    markVerified: (tx: Tx, id: string): Promise<void> => repository.markVerified(tx, id, clock.now()),

    setPasswordHash: async (tx: Tx, id: string, passwordHash: string): Promise<void> => {
      if (!(await repository.updatePasswordHash(tx, id, passwordHash, clock.now()))) throw accountNotFound()
    },

    /** From now on no password opens the account. */
    removePassword: async (tx: Tx, id: string): Promise<void> => {
      if (!(await repository.updatePasswordHash(tx, id, null, clock.now()))) throw accountNotFound()
    },

    setName: (tx: Tx, id: string, name: string): Promise<void> => repository.updateName(tx, id, name, clock.now()),

    /** Whether the person must have a second factor. */
    setFactorRequired: (tx: Tx, id: string, isRequired: boolean): Promise<void> =>
      repository.updateFactorRequired(tx, id, isRequired, clock.now()),

    /** When the account goes; undefined keeps it. */
    setDeleteAt: (tx: Tx, id: string, deleteAt: number | undefined): Promise<void> =>
      repository.updateDeleteAt(tx, id, deleteAt ?? null, clock.now()),

    listIdsToDelete: (db: Queryable, limit: number): Promise<string[]> =>
      repository.listIdsToDelete(db, clock.now(), limit),

    /** Gives the account another address. Throws `account_invalid` for what is no address, and `email_taken`. */
    changeEmail: async (tx: Tx, id: string, email: string, isVerified = true): Promise<void> => {
      const problems = checkEmail(email)
      if (problems.length > 0) throw accountInvalid(problems)
      const owner = await repository.findAccountByMailbox(tx, normaliseEmail(email))
      if (owner && owner.id !== id) throw emailTaken()
      try {
        await repository.updateEmail(tx, id, { email, isVerified }, clock.now())
      } catch (error) {
        // Registered by somebody else since it was looked for.
        if (repository.isMailboxTaken(error)) throw emailTaken()
        throw error
      }
    },

    /** The record goes, and everything that refers to it. Its id never comes back. */
    remove: (tx: Tx, id: string): Promise<void> => repository.deleteAccount(tx, id),
  }
}
