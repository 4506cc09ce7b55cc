/**
 * Sets the mailbox of rows without one, or with one that this version reads differently. Marks
 * duplicates of a mailbox. Merges and deletes nothing.
 */
import type { Audit } from '../audit/service.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { Log } from '../log.ts'
import type { Endings } from '../revocation/endings.ts'
import type { EmailProblem } from './account.ts'
import { readMailbox } from './email.ts'
import type { BackfillResult, Claimant, UnfilledRow } from './mailbox-backfill-repository.ts'
import * as repository from './mailbox-backfill-repository.ts'
import { isMailboxTaken } from './repository.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  audit: Audit
  endings: Pick<Endings, 'run'>
  log: Log
}

const backfillBatchSize = 500

export function createMailboxBackfill({ db, transaction, audit, endings, log }: Deps) {
  async function mark(tx: Tx, { id }: Claimant, problem: EmailProblem, keeperId?: string): Promise<void> {
    await repository.markRow(tx, id, problem)
    await endings.run('emailLoss', tx, id)
    const details = { problem, ...(keeperId !== undefined && { kept_by: keeperId }) }
    const event = {
      action: 'account.email_marked',
      by: { actor: { type: 'system' }, origin: { job: 'settle-mailboxes' } },
      subject: { type: 'account', id },
    } as const
    await audit.record(tx, { ...event, outcome: 'success', details })
    log.warn({ accountId: id, problem }, 'an email address finds no account from now on')
  }

  /**
   * Sets the mailbox of one row. Of two accounts with one mailbox, the account that is verified or
   * older keeps it, and the other is marked.
   */
  const backfillOne = (row: UnfilledRow): Promise<void> =>
    transaction(async (tx) => {
      await repository.takeBackfillLock(tx)
      const own = await repository.findUnfilledForUpdate(tx, row)
      if (!own) return
      const mailbox = readMailbox(own.email)
      if (!mailbox) return mark(tx, own, 'invalid')
      const rival = await repository.findRivalForUpdate(tx, own.id, mailbox.key)
      if (rival && !isBefore(own, rival)) return mark(tx, own, 'duplicate', rival.id)
      if (rival) await mark(tx, rival, 'duplicate', own.id)
      await repository.fillRow(tx, own.id, mailbox.key)
    })

  /**
   * Sets the mailboxes without a conflict in one statement. Returns the rows to check one by one.
   */
  async function backfillUndisputed(rows: readonly UnfilledRow[]): Promise<readonly UnfilledRow[]> {
    const keyed = rows.map((row) => ({ row, key: readMailbox(row.email)?.key }))
    const count = new Map<string | undefined, number>()
    for (const { key } of keyed) count.set(key, (count.get(key) ?? 0) + 1)
    const undisputed = keyed.flatMap(({ row: { id, emailKey, mailbox }, key }): BackfillResult[] =>
      key !== undefined && count.get(key) === 1 ? [{ id, emailKey, mailbox, key }] : [],
    )
    const settled = await transaction(async (tx) => {
      await repository.takeBackfillLock(tx)
      return repository.fillRows(tx, undisputed)
    }).catch((error: unknown) => {
      // Another account got one of the mailboxes in the meantime.
      if (!isMailboxTaken(error)) throw error
      return 0
    })
    return settled === rows.length ? [] : rows
  }

  return {
    /** Processes all such rows in batches. Returns how many were read. */
    run: async (): Promise<number> => {
      let [after, total]: [string | undefined, number] = [undefined, 0]
      for (;;) {
        const rows = await repository.listUnfilled(db, after, backfillBatchSize)
        if (rows.length === 0) return total
        for (const row of await backfillUndisputed(rows)) {
          await backfillOne(row).catch((error: unknown) => {
            // The mailbox was registered at this moment. The next run compares.
            if (!isMailboxTaken(error)) throw error
          })
        }
        total += rows.length
        after = rows.at(-1)?.id
      }
    },
  }
}

/** Verified accounts first, then older ones. */
function isBefore(one: Claimant, other: Claimant): boolean {
  if (one.isVerified !== other.isVerified) return one.isVerified
  return one.createdAt === other.createdAt ? one.id < other.id : one.createdAt < other.createdAt
}
