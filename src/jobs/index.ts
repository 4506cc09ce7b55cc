/** The job queue, and its own duty. */
import type { Knex } from 'knex'
import { createFailedJobCleanup } from './failed-jobs.ts'
import { createQueue } from './queue.ts'

type Deps = Parameters<typeof createQueue>[0] & { knex: Knex }

export function createJobsFeature({ knex, ...deps }: Deps) {
  return { queue: createQueue(deps), duties: [createFailedJobCleanup(knex)] }
}
