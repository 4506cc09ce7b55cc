/** The account that an invitation is for: made, or what is left of one that was there unproven. */
import type { AccountRecords } from '../accounts/records.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Audit, Initiator } from '../audit/service.ts'
import type { Tx } from '../database/database.ts'

type Deps = {
  accounts: Pick<Accounts, 'within' | 'checkProfile'>
  records: AccountRecords
  /** Ends sessions and tokens, and forgets what was allowed. */
  revokeAll: (tx: Tx, accountId: string) => Promise<void>
  audit: Audit
}

/** What the administrator typed. */
export type Invitation = { email: string; name?: string; roles?: readonly string[] }

/**
 * The account that is invited, with the name and roles of the invitation. A password that was never
 * proven may be a stranger's: it must not open an account that has just been given roles.
 */
export function createPrepareInvitation({ accounts, records, revokeAll, audit }: Deps) {
  return async (tx: Tx, input: Invitation, by: Initiator): Promise<string> => {
    const writes = accounts.within(tx)
    // What is no address is in no row: `create` says what is wrong with it.
    if (accounts.checkProfile({ email: input.email }).length > 0) return writes.create(input, by)
    const knownId = await records.findIdByEmail(tx, input.email)
    const known = knownId === undefined ? undefined : await records.lock(tx, knownId)
    // A proven or disabled account is no invited one: `create` says so.
    if (!known || known.account.isEmailVerified || known.account.isDisabled) return writes.create(input, by)
    const { account, registeredBrowser } = known
    if (registeredBrowser !== undefined) {
      await revokeAll(tx, account.id)
      await records.remove(tx, account.id)
      const id = await writes.create(input, by)
      const details = { instead_of: account.id }
      const subject = { type: 'account', id }
      await audit.record(tx, { action: 'account.reclaimed', by, subject, outcome: 'success', details })
      return id
    }
    const hasPassword = account.passwordHash !== undefined
    if (hasPassword) {
      await revokeAll(tx, account.id)
      await records.removePassword(tx, account.id)
    }
    // A name that came with a password may be a stranger's too.
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
