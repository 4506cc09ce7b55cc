/**
 * Changes of an account by other features, in their own transaction and with their own audit
 * records.
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
  /**
   * Digest of the browser that registered the account. Undefined after the email is proven, and for
   * accounts made in another way.
   */
  registeredBrowser: Buffer | undefined
}>

type RegisteredAccount = Readonly<{ id: string; email: string; name: string; passwordHash: string }>

export function createAccountRecords({ clock }: { clock: Clock }) {
  return {
    normaliseEmail,
    showEmail,

    /**
     * Inserts an account registered in this browser. Returns false when the email has an account,
     * which is not changed: on a shared computer, another user has the same browser.
     */
    insertRegistered: (tx: Tx, row: RegisteredAccount, browser: Buffer): Promise<boolean> =>
      repository.insertUnlessTaken(tx, { ...row, isEmailVerified: false, at: clock.now() }, browser),

    /** Inserts an account with a proven email. Throws `email_taken`. */
    insertProven: async (tx: Tx, row: RegisteredAccount): Promise<void> => {
      const isMade = await repository.insertUnlessTaken(tx, { ...row, isEmailVerified: true, at: clock.now() }, null)
      if (!isMade) throw emailTaken()
    },

    /**
     * Locks the row until the transaction ends. `generation` is the one read with the request's
     * credential. Throws `account_not_found`, and `account_reset` for another generation.
     */
    lock: async (tx: Tx, id: string, generation?: number): Promise<LockedAccount> => {
      const account = await repository.findAccountForUpdate(tx, id, generation)
      if (!account) throw generation === undefined ? accountNotFound() : accountReset()
      return { account, registeredBrowser: await repository.findRegisteredBrowser(tx, id) }
    },

    /** Throws `account_reset`: the account was reset after the request began. */
    refuseReset: (): never => {
      throw accountReset()
    },

    /**
     * Begins a new generation and returns it. After the commit, lower ones are refused. Throws
     * `account_not_found`.
     */
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

    /** Marks the email as proven. */
    markVerified: (tx: Tx, id: string): Promise<void> => repository.markVerified(tx, id, clock.now()),

    setPasswordHash: async (tx: Tx, id: string, passwordHash: string): Promise<void> => {
      if (!(await repository.updatePasswordHash(tx, id, passwordHash, clock.now()))) throw accountNotFound()
    },

    /** Removes the password, so that no password signs in. */
    removePassword: async (tx: Tx, id: string): Promise<void> => {
      if (!(await repository.updatePasswordHash(tx, id, null, clock.now()))) throw accountNotFound()
    },

    setName: (tx: Tx, id: string, name: string): Promise<void> => repository.updateName(tx, id, name, clock.now()),

    /** Sets whether the account must have a second factor. */
    setFactorRequired: (tx: Tx, id: string, isRequired: boolean): Promise<void> =>
      repository.updateFactorRequired(tx, id, isRequired, clock.now()),

    /** Sets the time of deletion. Undefined cancels it. */
    setDeleteAt: (tx: Tx, id: string, deleteAt: number | undefined): Promise<void> =>
      repository.updateDeleteAt(tx, id, deleteAt ?? null, clock.now()),

    listIdsToDelete: (db: Queryable, limit: number): Promise<string[]> =>
      repository.listIdsToDelete(db, clock.now(), limit),

    /** Changes the account's email. Throws `account_invalid` and `email_taken`. */
    changeEmail: async (tx: Tx, id: string, email: string, isVerified = true): Promise<void> => {
      const problems = checkEmail(email)
      if (problems.length > 0) throw accountInvalid(problems)
      const owner = await repository.findAccountByMailbox(tx, normaliseEmail(email))
      if (owner && owner.id !== id) throw emailTaken()
      try {
        await repository.updateEmail(tx, id, { email, isVerified }, clock.now())
      } catch (error) {
        // Another registration took the email after the check.
        if (repository.isMailboxTaken(error)) throw emailTaken()
        throw error
      }
    },

    /** Deletes the account and everything that refers to it. Its id is never reused. */
    remove: (tx: Tx, id: string): Promise<void> => repository.deleteAccount(tx, id),
  }
}
