/** Changes a user's own profile, limited to editable fields and valid values. */
import { listEditableFields } from '../accounts/fields.ts'
import type { AccountRecords } from '../accounts/records.ts'
import type { Account, AccountChange, Accounts } from '../accounts/service.ts'
import type { Transaction } from '../database/database.ts'
import type { Origin } from '../origin.ts'
import { changeInvalid } from './errors.ts'

type Deps = {
  accounts: Pick<Accounts, 'checkProfile' | 'within'>
  records: Pick<AccountRecords, 'lock'>
  transaction: Transaction
}

export type ProfileChanges = ReturnType<typeof createProfileChanges>

/** Form values by claim. An empty value removes the field. */
type ProfileTexts = Readonly<Record<string, string>>

export function createProfileChanges({ accounts, records, transaction }: Deps) {
  return {
    /** Throws `change_invalid` with every problem, and `account_reset` in an earlier generation. */
    change: async (
      { id: accountId, generation }: Pick<Account, 'id' | 'generation'>,
      texts: ProfileTexts,
      origin: Origin,
    ): Promise<void> => {
      const fields = listEditableFields()
      const input = Object.fromEntries(fields.map(({ name, claim }) => [name, texts[claim]?.trim() || null]))
      const missing = fields.filter(({ name, isRequired }) => isRequired && input[name] === null)
      const problems = [
        ...missing.map(({ claim }) => ({ path: claim, code: 'required' })),
        ...accounts.checkProfile({ ...input, email: 'somebody@example.com' }),
      ]
      if (problems.length > 0) throw changeInvalid(problems)
      await transaction(async (tx) => {
        const { account } = await records.lock(tx, accountId, generation)
        const changed = Object.fromEntries(
          Object.entries(input).filter(([field, value]) => (account[field as keyof Account] ?? null) !== value),
        )
        if (Object.keys(changed).length === 0) return
        const all = {
          ...changed,
          // A new phone number is not verified.
          ...('phoneNumber' in changed && { isPhoneNumberVerified: false }),
        } as AccountChange
        await accounts.within(tx).update(accountId, all, { actor: { type: 'account', id: accountId }, origin })
      })
    },
  }
}
