/** Clients: their records, their secrets, and what their registration allows. */
import type { Config } from '../config/config.ts'
import type { ChangeFeed } from '../database/change-feed.ts'
import type { Queryable } from '../database/database.ts'
import { createRowCache } from '../database/row-cache.ts'
import type { Endings } from '../revocation/endings.ts'
import { readClientDocument } from './document.ts'
import { clientSecretPurpose, createClientSecrets } from './secrets.ts'
import { createClients, loadClient } from './service.ts'

export { assertionAlgorithms } from './key-set.ts'
export { oidcScopes, staticScope } from './scopes.ts'
export { createTokenRules } from './token-rules.ts'
export { hasPlainPort } from './uris.ts'

/** The rows of clients. The store of tokens needs them before the feature can be built. */
export const createClientCache = ({ db, changes }: { db: Queryable; changes: ChangeFeed }) =>
  createRowCache({ table: 'client', changes, load: loadClient(db) })

type Deps = Omit<Parameters<typeof createClients>[0], 'secrets' | 'endClient' | 'isDevelopment'> &
  Pick<Config, 'environment'> & { deriveKey: (purpose: string) => Buffer; endings: Pick<Endings, 'run'> }

export function createClientsFeature({ environment, deriveKey, endings, ...deps }: Deps) {
  const { random, refusedSecrets } = deps
  const isDevelopment = environment !== 'production'
  const secrets = createClientSecrets({ digestKey: deriveKey(clientSecretPurpose), random })
  // A key of its own: a counter of wrong secrets says nothing about a stored secret.
  const wrongSecrets = createClientSecrets({ digestKey: deriveKey('wrong client secrets'), random })
  return {
    clients: createClients({
      ...deps,
      isDevelopment,
      secrets,
      endClient: (tx, clientId) => endings.run('clientEnd', tx, clientId),
    }),
    digestWrongSecret: wrongSecrets.digest,
    readDocument: (entry: Readonly<Record<string, unknown>>) =>
      readClientDocument(entry, { isDevelopment, refusedSecrets }),
  }
}
