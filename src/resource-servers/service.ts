/** Resource servers: the APIs of tokens. Every change is audited in its own transaction. */
import type { Audit, Initiator } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { RowCache } from '../database/row-cache.ts'
import { checkResourceServer } from './document.ts'
import { resourceServerInvalid, resourceServerNotFound } from './errors.ts'
import * as repository from './repository.ts'
import type { ResourceServer, ResourceServerInput } from './resource-server.ts'
import { identifierKey, tokenLifetime } from './resource-server.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  /** Rows by `identifierKey`: `createRowCache({ table: 'resource_server', load: … })`. */
  cache: RowCache<ResourceServer>
  audit: Audit
  clock: Clock
  /** The available signing algorithms of access tokens. */
  offeredAlgorithms: () => readonly string[]
}

export type { ResourceServer, ResourceServerInput } from './resource-server.ts'
export type ResourceServers = ReturnType<typeof createResourceServers>
export type ResourceServerWrites = ReturnType<typeof createWrites>

/** Loads resource servers for the row cache, by `identifierKey`. */
export const loadResourceServer = (db: Queryable) => (key: string) => repository.findResourceServer(db, key)

export function createResourceServers(deps: Deps) {
  const { db, cache } = deps
  return {
    /**
     * Finds by `resource`, with or without the last slash, from memory while notifications arrive.
     */
    findByIdentifier: async (resource: string): Promise<ResourceServer | undefined> => {
      const key = identifierKey(resource)
      return key === undefined ? undefined : cache.get(key)
    },
    /**
     * Whether the client may introspect tokens of this audience, in addition to the client of the
     * token (RFC 7662 §4).
     */
    mayIntrospect: async (clientId: string, audience: string): Promise<boolean> => {
      const key = identifierKey(audience)
      const resourceServer = key === undefined ? undefined : await cache.get(key)
      return resourceServer?.introspectionClientIds.includes(clientId) ?? false
    },
    /** Ordered by identifier, at most `limit` (default 1000). */
    list: (limit = 1000): Promise<ResourceServer[]> => repository.listResourceServers(db, limit),
    /** The row that `put` would store, with defaults. */
    planned,
    ...createWrites(deps),
    /** The same changes, within the caller's transaction. */
    within: (tx: Tx): ResourceServerWrites => createWrites({ ...deps, transaction: (work) => work(tx) }),
  }
}

function createWrites({ transaction, cache, audit, clock, offeredAlgorithms }: Deps) {
  const subject = (id: string) => ({ type: 'resource_server', id })
  return {
    /** Adds a resource server or replaces all its values. Throws `resource_server_invalid`. */
    put: async (input: ResourceServerInput, by: Initiator): Promise<ResourceServer> => {
      const problems = checkResourceServer(input)
      if (problems.length > 0) throw resourceServerInvalid(problems)
      const row = planned(input)
      const offered = offeredAlgorithms()
      // A chosen algorithm must have a key.
      if (row.tokenFormat === 'jwt' && !offered.includes(row.signingAlgorithm)) {
        const params = { allowed: offered.join(', ') }
        throw resourceServerInvalid([{ path: 'signing_algorithm', code: 'not_one_of', params }])
      }
      const saved = await transaction(async (tx) => {
        const before = await repository.findResourceServerForUpdate(tx, row.key)
        try {
          await repository.putResourceServer(tx, row, clock.now())
        } catch (error) {
          const path = unknownClientPaths[String((error as { constraint?: unknown }).constraint)]
          if (path === undefined) throw error
          throw resourceServerInvalid([{ path, code: 'unknown_client' }])
        }
        const action = before ? 'resource_server.updated' : 'resource_server.created'
        const details = { name: row.name, scopes: row.scopes.map((scope) => scope.name) }
        await audit.record(tx, { action, by, subject: subject(row.identifier), outcome: 'success', details })
        const after = await repository.findResourceServer(tx, row.key)
        if (!after) throw resourceServerNotFound({ params: { identifier: row.identifier } })
        return after
      })
      cache.forget(row.key)
      return saved
    },

    /** Throws `resource_server_not_found`. Issued tokens stay valid until they expire. */
    remove: (identifier: string, by: Initiator): Promise<void> =>
      transaction(async (tx) => {
        const key = identifierKey(identifier)
        const isRemoved = key !== undefined && (await repository.deleteResourceServer(tx, key))
        if (!isRemoved) throw resourceServerNotFound({ params: { identifier } })
        const action = 'resource_server.removed'
        await audit.record(tx, { action, by, subject: subject(identifier), outcome: 'success' })
      }),
  }
}

const planned = (input: ResourceServerInput): repository.ResourceServerRow => ({
  key: identifierKey(input.identifier) ?? '',
  identifier: input.identifier,
  name: input.name.trim(),
  scopes: input.scopes.map(({ name, description }) => ({
    name,
    ...(description === undefined ? {} : { description }),
  })),
  tokenFormat: input.tokenFormat ?? 'jwt',
  tokenLifetimeSeconds: input.tokenLifetimeSeconds ?? tokenLifetime.default,
  signingAlgorithm: input.signingAlgorithm ?? 'ES256',
  allowedClientIds: input.allowedClientIds && [...new Set(input.allowedClientIds)].sort(),
  introspectionClientIds: [...new Set(input.introspectionClientIds)].sort(),
})

const unknownClientPaths: Readonly<Record<string, string>> = {
  resource_server_client_client_id_fkey: 'allowed_clients',
  resource_server_introspector_client_id_fkey: 'introspection_clients',
}
