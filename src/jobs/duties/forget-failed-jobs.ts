/** Every day: jobs that were given up a month ago leave, so that the queue does not only grow. */
import { queueSchema } from '../connection.ts'
import type { Duty } from '../index.ts'

export const forgetFailedJobs: Duty = {
  name: 'forget-failed-jobs',
  everySeconds: 86_400,
  async run({ knex }) {
    // The queue's rows carry the database's time, so this compares with it.
    await knex.raw(
      `SELECT FROM ${queueSchema}.complete_jobs(ARRAY(
         SELECT id FROM ${queueSchema}.jobs WHERE attempts >= max_attempts AND updated_at < now() - interval '30 days' LIMIT 1000))`,
    )
  },
}
