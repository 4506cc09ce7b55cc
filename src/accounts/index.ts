/** Accounts: the records, their import, and the mailbox of each account. */
import type { ChangeFeed } from '../database/change-feed.ts'
import { createRowCache } from '../database/row-cache.ts'
import type { Log } from '../log.ts'
import type { Endings } from '../revocation/endings.ts'
import { createAccountImport } from './import.ts'
import { createMailboxBackfill } from './mailbox-backfill.ts'
import { createAccounts, loadAccount } from './service.ts'

export { accountDocument, readAccountDocument } from './document.ts'
export { normaliseEmail, readMailbox } from './email.ts'
export { accountReset } from './errors.ts'
export { listPasswordCosts } from './password-costs.ts'
export { createAccountRecords } from './records.ts'

type Deps = Omit<Parameters<typeof createAccounts>[0], 'cache'> &
  Pick<Parameters<typeof createAccountImport>[0], 'problemOfHash'> & {
    changes: ChangeFeed
    endings: Pick<Endings, 'run'>
    log: Log
  }

export function createAccountsFeature({ changes, endings, problemOfHash, log, ...deps }: Deps) {
  const { db, transaction, audit, clock, random } = deps
  const cache = createRowCache({ table: 'account', changes, load: loadAccount(db) })
  const mailboxes = createMailboxBackfill({ db, transaction, audit, endings, log })
  return {
    accounts: createAccounts({ ...deps, cache }),
    accountImport: createAccountImport({ db, transaction, audit, clock, random, problemOfHash }),
    mailboxes,
    // Every minute: set the mailbox of accounts that the previous version wrote.
    duties: [{ name: 'settle-mailboxes', everySeconds: 60, run: async () => void (await mailboxes.run()) }],
  }
}
