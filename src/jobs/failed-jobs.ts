/**
 * Every day: deletes jobs that failed finally a month ago, so that the queue does not grow for
 * ever.
 */
import type { Knex } from 'knex'
import { queueSchema } from './connection.ts'
import type { Duty } from './duty.ts'

export const createFailedJobCleanup = (knex: Knex): Duty => ({
  name: 'forget-failed-jobs',
  everySeconds: 86_400,
  async run() {
    // The queue's rows contain the database's time, so the comparison uses it too.
    await knex.raw(
      `SELECT FROM ${queueSchema}.complete_jobs(ARRAY(
         SELECT id FROM ${queueSchema}.jobs WHERE attempts >= max_attempts AND updated_at < now() - interval '30 days' LIMIT 1000))`,
    )
  },
})
