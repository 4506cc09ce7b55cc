/** The undelivered entries of the outbox, as rows of the queue. */
import type { Knex } from 'knex'
import { waitFor } from './wait.ts'

/**
 * Waits until every event of this kind has been delivered or dropped. Parallel deliveries end in
 * any order, so a test calls this before it asserts a number or an absence.
 */
export async function allDelivered(knex: Knex, kind: 'mail' | 'audit-log'): Promise<void> {
  const events = knex('graphile_worker.jobs').where({ task_identifier: `outbox:${kind}` })
  await waitFor(async () => (await events.clone().first('id')) === undefined, { what: `an outbox without ${kind}` })
}

/** Waits until every queued email has been sent or dropped. */
export const allEmailsSent = (knex: Knex): Promise<void> => allDelivered(knex, 'mail')
