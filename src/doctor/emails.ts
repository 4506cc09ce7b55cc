/** Reads the email addresses with problems for the doctor. Writes nothing. */
import type { Knex } from 'knex'
import { readMailbox } from '../accounts/email.ts'
import { countMarked, countUnfilled, listKeepers, listMarked } from '../accounts/mailbox-backfill-repository.ts'
import type { Emails } from './verdicts.ts'

const maxListed = 100

/** Without the schema or its migration, no problem of an address is recorded. */
export async function inspectEmails(knex: Knex): Promise<Emails> {
  if (!(await knex.schema.hasColumn('account', 'email_problem'))) {
    return { marked: [], markedCount: 0, unsettledCount: 0 }
  }
  const [marked, markedCount, unsettledCount] = await Promise.all([
    listMarked(knex, maxListed),
    countMarked(knex),
    countUnfilled(knex),
  ])
  const keyed = marked.map((one) => ({ ...one, key: readMailbox(one.email)?.key }))
  const keepers = await listKeepers(
    knex,
    keyed.flatMap(({ key }) => (key === undefined ? [] : [key])),
  )
  return {
    marked: keyed.map(({ id, email, problem, key }) => ({
      id,
      email,
      problem,
      keeper: keepers.find((one) => one.key === key),
    })),
    markedCount,
    unsettledCount,
  }
}
