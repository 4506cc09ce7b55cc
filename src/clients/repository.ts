/** Rows of `client` and `client_secret`. */
import type { Queryable, Tx } from '../database/database.ts'
import type { Client, ClientKind, ClientMetadata } from './client.ts'

const columns = [
  'client_id',
  'kind',
  'is_first_party',
  'require_pkce',
  'metadata',
  'refresh_grace_seconds',
  'is_disabled',
  'refresh_rotation',
  'refresh_idle_seconds',
  'refresh_absolute_seconds',
  'created_at',
  'updated_at',
]

export type ClientRow = Omit<Client, 'secretDigests' | 'createdAt' | 'updatedAt'>

export async function findClient(db: Queryable, clientId: string): Promise<Client | undefined> {
  const row = await db('client').select(columns).where({ client_id: clientId }).first()
  if (!row) return undefined
  return fromRow(row, await selectSecrets(db, [clientId]))
}

/** Locks the row until the transaction ends. */
export async function findClientForUpdate(tx: Tx, clientId: string): Promise<Client | undefined> {
  const row = await tx('client').select(columns).where({ client_id: clientId }).forUpdate().first()
  if (!row) return undefined
  return fromRow(row, await selectSecrets(tx, [clientId]))
}

/** Ordered by id, at most `limit`. */
export async function listClients(db: Queryable, limit: number): Promise<Client[]> {
  const rows = await db('client').select(columns).orderBy('client_id').limit(limit)
  const secrets = await selectSecrets(
    db,
    rows.map((row) => row.client_id),
  )
  return rows.map((row) => fromRow(row, secrets))
}

export async function insertClient(tx: Tx, row: ClientRow, at: number): Promise<void> {
  await tx('client').insert({ client_id: row.clientId, ...toColumns(row), created_at: at, updated_at: at })
}

export async function updateClient(tx: Tx, row: ClientRow, at: number): Promise<void> {
  await tx('client')
    .where({ client_id: row.clientId })
    .update({ ...toColumns(row), updated_at: at })
}

/** Deletes the client with its secrets. Returns whether it existed. */
export const deleteClient = async (tx: Tx, clientId: string): Promise<boolean> =>
  (await tx('client').where({ client_id: clientId }).delete()) === 1

export async function insertSecret(
  tx: Tx,
  secret: { id: string; clientId: string; digest: Buffer; at: number },
): Promise<void> {
  const { id, clientId, digest, at } = secret
  await tx('client_secret').insert({ id, client_id: clientId, digest, created_at: at, expires_at: null })
}

/** Keeps the newest valid secret until `expiresAt` (ms), and deletes all others. */
export async function retireSecrets(tx: Tx, clientId: string, expiresAt: number, now: number): Promise<void> {
  const newest = await tx('client_secret')
    .select('id')
    .where({ client_id: clientId })
    .where((live) => live.whereNull('expires_at').orWhere('expires_at', '>', now))
    .orderByRaw('expires_at DESC NULLS FIRST, created_at DESC')
    .first()
  const keep = expiresAt > now ? newest?.id : undefined
  const rest = tx('client_secret').where({ client_id: clientId })
  if (keep) {
    await tx('client_secret').where({ id: keep }).update({ expires_at: expiresAt })
    rest.whereNot({ id: keep })
  }
  await rest.delete()
}

/** Updates the row without a change, so that caches reload the client and its secrets. */
export async function touchClient(tx: Tx, clientId: string, at: number): Promise<void> {
  await tx('client').where({ client_id: clientId }).update({ updated_at: at })
}

type SecretRow = { client_id: string; digest: Buffer; expires_at: string | number | null }

const selectSecrets = (db: Queryable, clientIds: readonly string[]): Promise<SecretRow[]> =>
  db('client_secret').select('client_id', 'digest', 'expires_at').whereIn('client_id', clientIds).orderBy('created_at')

const toColumns = (row: ClientRow) => ({
  kind: row.kind,
  is_first_party: row.isFirstParty,
  require_pkce: row.requirePkce,
  metadata: JSON.stringify(row.metadata),
  refresh_grace_seconds: row.refreshGraceSeconds,
  refresh_rotation: row.rotatesRefreshTokens,
  refresh_idle_seconds: row.refreshIdleSeconds ?? null,
  refresh_absolute_seconds: row.refreshAbsoluteSeconds ?? null,
  is_disabled: row.isDisabled,
})

const optionalNumber = (value: unknown): number | undefined => (value === null ? undefined : Number(value))

const fromRow = (row: Record<string, unknown>, secrets: readonly SecretRow[]): Client => ({
  clientId: String(row.client_id),
  kind: row.kind as ClientKind,
  isFirstParty: row.is_first_party === true,
  requirePkce: row.require_pkce === true,
  metadata: row.metadata as ClientMetadata,
  refreshGraceSeconds: Number(row.refresh_grace_seconds),
  rotatesRefreshTokens: row.refresh_rotation === true,
  refreshIdleSeconds: optionalNumber(row.refresh_idle_seconds),
  refreshAbsoluteSeconds: optionalNumber(row.refresh_absolute_seconds),
  isDisabled: row.is_disabled === true,
  secretDigests: secrets
    .filter((secret) => secret.client_id === row.client_id)
    .map(({ digest, expires_at }) => ({ digest, expiresAt: expires_at === null ? undefined : Number(expires_at) })),
  createdAt: Number(row.created_at),
  updatedAt: Number(row.updated_at),
})
