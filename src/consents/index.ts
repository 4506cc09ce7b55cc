/** Consents: what an account has allowed a client, and the consent page. */
import type { ChangeFeed } from '../database/change-feed.ts'
import { createRowCache } from '../database/row-cache.ts'
import type { Endings } from '../revocation/endings.ts'
import { createConsentPages } from './routes.ts'
import { createConsents, loadConsents } from './service.ts'

type Deps = Omit<Parameters<typeof createConsents>[0], 'cache'> & {
  changes: ChangeFeed
  endings: Pick<Endings, 'register'>
}
type PageDeps = Omit<Parameters<typeof createConsentPages>[0], 'consents'>

export function createConsentsFeature({ changes, endings, ...deps }: Deps) {
  const cache = createRowCache({ table: 'consent', changes, load: loadConsents(deps.db) })
  const consents = createConsents({ ...deps, cache })
  endings.register('accountHandover', 'consents', consents.deleteAll)
  return { consents, createPages: (pages: PageDeps) => createConsentPages({ ...pages, consents }) }
}
