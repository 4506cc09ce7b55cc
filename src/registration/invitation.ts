/** Prepares the account of an invitation. An unproven account loses its credentials first. */
import type { AccountRecords } from '../accounts/records.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Audit, Initiator } from '../audit/service.ts'
import type { Tx } from '../database/database.ts'

type Deps = {
  accounts: Pick<Accounts, 'within' | 'checkProfile'>
  records: AccountRecords
  /** Ends sessions, tokens and consents. */
  handOverAccount: (tx: Tx, accountId: string) => Promise<void>
  audit: Audit
}

/** The administrator's input. */
export type Invitation = { email: string; name?: string; roles?: readonly string[] }

/**
 * Returns the id of the account, which gets the invitation's name and roles. A stranger may have
 * set an unproven password, so that password must not give access to the new roles.
 */
export function createPrepareInvitation({ accounts, records, handOverAccount, audit }: Deps) {
  return async (tx: Tx, input: Invitation, by: Initiator): Promise<string> => {
    const writes = accounts.within(tx)
    // No row has an invalid email. `create` reports the problem.
    if (accounts.checkProfile({ email: input.email }).length > 0) return writes.create(input, by)
    const knownId = await records.findIdByEmail(tx, input.email)
    const known = knownId === undefined ? undefined : await records.lock(tx, knownId)
    // A proven or disabled account cannot be invited. `create` reports it.
    if (!known || known.account.isEmailVerified || known.account.isDisabled) return writes.create(input, by)
    const { account, registeredBrowser } = known
    if (registeredBrowser !== undefined) {
      await handOverAccount(tx, account.id)
      await records.remove(tx, account.id)
      const id = await writes.create(input, by)
      const details = { instead_of: account.id }
      const subject = { type: 'account', id }
      await audit.record(tx, { action: 'account.reclaimed', by, subject, outcome: 'success', details })
      return id
    }
    const hasPassword = account.passwordHash !== undefined
    if (hasPassword) {
      await handOverAccount(tx, account.id)
      await records.removePassword(tx, account.id)
    }
    // The stranger may also have set the name.
    const name = hasPassword ? (input.name ?? null) : input.name
    const { roles } = input
    await writes.update(
      account.id,
      {
        ...(name !== undefined && { name }),
        ...(roles !== undefined && { roles }),
      },
      by,
    )
    return account.id
  }
}
