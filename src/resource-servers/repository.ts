/** Rows of `resource_server`, `resource_server_client` and `resource_server_introspector`. */
import type { Queryable, Tx } from '../database/database.ts'
import type { ResourceServer } from './resource-server.ts'

const columns = [
  'identifier_key',
  'identifier',
  'name',
  'scopes',
  'token_format',
  'token_lifetime_seconds',
  'signing_algorithm',
  'is_restricted',
  'created_at',
  'updated_at',
]

export type ResourceServerRow = Omit<ResourceServer, 'createdAt' | 'updatedAt'> & { key: string }

export async function findResourceServer(db: Queryable, key: string): Promise<ResourceServer | undefined> {
  const row = await db('resource_server').select(columns).where({ identifier_key: key }).first()
  return row && fromRow(row, await selectClients(db, [key]))
}

/** Locks the row until the transaction ends. */
export async function findResourceServerForUpdate(tx: Tx, key: string): Promise<ResourceServer | undefined> {
  const row = await tx('resource_server').select(columns).where({ identifier_key: key }).forUpdate().first()
  return row && fromRow(row, await selectClients(tx, [key]))
}

/** Ordered by identifier, at most `limit`. */
export async function listResourceServers(db: Queryable, limit: number): Promise<ResourceServer[]> {
  const rows = await db('resource_server').select(columns).orderBy('identifier_key').limit(limit)
  const clients = await selectClients(
    db,
    rows.map((row) => row.identifier_key),
  )
  return rows.map((row) => fromRow(row, clients))
}

/** Inserts or replaces the row. */
export async function putResourceServer(tx: Tx, row: ResourceServerRow, at: number): Promise<void> {
  const columnsOfRow = {
    identifier: row.identifier,
    name: row.name,
    scopes: JSON.stringify(row.scopes),
    token_format: row.tokenFormat,
    token_lifetime_seconds: row.tokenLifetimeSeconds,
    signing_algorithm: row.signingAlgorithm,
    is_restricted: row.allowedClientIds !== undefined,
    updated_at: at,
  }
  await tx('resource_server')
    .insert({ identifier_key: row.key, created_at: at, ...columnsOfRow })
    .onConflict('identifier_key')
    .merge(columnsOfRow)
  await putClients(tx, 'resource_server_client', row.key, row.allowedClientIds ?? [])
  await putClients(tx, 'resource_server_introspector', row.key, row.introspectionClientIds)
}

type ClientTable = 'resource_server_client' | 'resource_server_introspector'

async function putClients(tx: Tx, table: ClientTable, key: string, clientIds: readonly string[]): Promise<void> {
  await tx(table).where({ identifier_key: key }).whereNotIn('client_id', clientIds).delete()
  if (clientIds.length === 0) return
  const rows = clientIds.map((clientId) => ({ identifier_key: key, client_id: clientId }))
  await tx(table).insert(rows).onConflict().ignore()
}

/** Returns whether it existed. */
export const deleteResourceServer = async (tx: Tx, key: string): Promise<boolean> =>
  (await tx('resource_server').where({ identifier_key: key }).delete()) === 1

type ClientRow = { identifier_key: string; client_id: string }
type ClientRows = { allowed: readonly ClientRow[]; introspecting: readonly ClientRow[] }

async function selectClients(db: Queryable, keys: readonly string[]): Promise<ClientRows> {
  const select = (table: ClientTable): Promise<ClientRow[]> =>
    db(table).select('identifier_key', 'client_id').whereIn('identifier_key', keys).orderBy('client_id')
  const allowed = await select('resource_server_client')
  return { allowed, introspecting: await select('resource_server_introspector') }
}

const idsOf = (clients: readonly ClientRow[], key: unknown): string[] =>
  clients.filter((client) => client.identifier_key === key).map((client) => client.client_id)

const fromRow = (row: Record<string, unknown>, { allowed, introspecting }: ClientRows): ResourceServer => ({
  identifier: String(row.identifier),
  name: String(row.name),
  scopes: row.scopes as ResourceServer['scopes'],
  tokenFormat: row.token_format as ResourceServer['tokenFormat'],
  tokenLifetimeSeconds: Number(row.token_lifetime_seconds),
  signingAlgorithm: row.signing_algorithm as ResourceServer['signingAlgorithm'],
  allowedClientIds: row.is_restricted ? idsOf(allowed, row.identifier_key) : undefined,
  introspectionClientIds: idsOf(introspecting, row.identifier_key),
  createdAt: Number(row.created_at),
  updatedAt: Number(row.updated_at),
})
