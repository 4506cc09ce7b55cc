/** Clients: their records, their secrets, and the permissions of their registration. */
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

/** The row cache of clients. The token store needs it before the feature is created. */
export const createClientCache = ({ db, changes }: { db: Queryable; changes: ChangeFeed }) =>
  createRowCache({ table: 'client', changes, load: loadClient(db) })

type Deps = Omit<Parameters<typeof createClients>[0], 'secrets' | 'endClient' | 'isDevelopment'> &
  Pick<Config, 'environment'> & { deriveKey: (purpose: string) => Buffer; endings: Pick<Endings, 'run'> }

export function createClientsFeature({ environment, deriveKey, endings, ...deps }: Deps) {
  const { random, refusedSecrets } = deps
  const isDevelopment = environment !== 'production'
  const secrets = createClientSecrets({ digestKey: deriveKey(clientSecretPurpose), random })
  // A separate key: counted wrong secrets must not reveal anything about stored ones.
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
