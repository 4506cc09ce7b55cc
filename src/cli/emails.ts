/** What the doctor asks about email addresses. Only reads. */
import type { Knex } from 'knex'
import { countMarked, countUnsettled, listMarked } from '../accounts/settle-repository.ts'
import type { Emails } from '../doctor/checks.ts'

const mostListed = 100

/** Before its migration, or without a schema, nothing is known of any address. */
export async function inspectEmails(knex: Knex): Promise<Emails> {
  if (!(await knex.schema.hasColumn('account', 'email_problem'))) {
    return { marked: [], markedCount: 0, unsettledCount: 0 }
  }
  const [marked, markedCount, unsettledCount] = await Promise.all([
    listMarked(knex, mostListed),
    countMarked(knex),
    countUnsettled(knex),
  ])
  return { marked, markedCount, unsettledCount }
}
