/** Links in emails. */
import { batchDuty } from '../jobs/duty.ts'
import type { Endings } from '../revocation/endings.ts'
import { createEmailLinks } from './service.ts'

type Deps = Parameters<typeof createEmailLinks>[0] & { endings: Pick<Endings, 'register'> }

export function createLinksFeature({ endings, ...deps }: Deps) {
  const emailLinks = createEmailLinks(deps)
  endings.register('accountReset', 'links', (tx, accountId) => emailLinks.end(tx, accountId))
  endings.register('emailLoss', 'links', (tx, accountId) => emailLinks.end(tx, accountId))
  return {
    emailLinks,
    // Every hour: delete links that have expired and no longer count for a limit.
    duties: [batchDuty('sweep-links', 3600, emailLinks.sweep)],
  }
}
