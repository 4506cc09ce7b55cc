/** Links in emails. */
import { batchDuty } from '../jobs/duty.ts'
import type { Endings } from '../revocation/endings.ts'
import { createLinks } from './service.ts'

type Deps = Parameters<typeof createLinks>[0] & { endings: Pick<Endings, 'register'> }

export function createLinksFeature({ endings, ...deps }: Deps) {
  const links = createLinks(deps)
  endings.register('accountReset', 'links', (tx, accountId) => links.end(tx, accountId))
  endings.register('emailLoss', 'links', (tx, accountId) => links.end(tx, accountId))
  return {
    links,
    // Every hour: links that have expired and count for no limit.
    duties: [batchDuty('sweep-links', 3600, links.sweep)],
  }
}
