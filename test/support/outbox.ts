/** The queued emails, as rows of the queue. */
import type { Knex } from 'knex'
import { waitFor } from './wait.ts'

/**
 * Waits until every queued email has been sent or dropped. A test calls this before it asserts that
 * an email is absent, or how many there are.
 */
export async function allEmailsSent(knex: Knex): Promise<void> {
  const emails = knex('graphile_worker.jobs').where({ task_identifier: 'outbox:mail' })
  await waitFor(async () => (await emails.clone().first('id')) === undefined, { what: 'an empty outbox' })
}
