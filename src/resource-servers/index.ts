/** Resource servers (APIs). */
import type { ChangeFeed } from '../database/change-feed.ts'
import { createRowCache } from '../database/row-cache.ts'
import { createResourceServers, loadResourceServer } from './service.ts'

export { readResourceServerDocument } from './document.ts'
export { entitledScopes, tokenLifetime } from './resource-server.ts'

type Deps = Omit<Parameters<typeof createResourceServers>[0], 'cache'> & { changes: ChangeFeed }

export function createResourceServersFeature({ changes, ...deps }: Deps) {
  const cache = createRowCache({ table: 'resource_server', changes, load: loadResourceServer(deps.db) })
  return { resourceServers: createResourceServers({ ...deps, cache }) }
}
