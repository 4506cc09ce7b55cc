/** Rows of `consent`: one per account and client. */
import type { Queryable, Tx } from '../database/database.ts'
import type { Consent, ConsentGrant } from './service.ts'

type Row = {
  account_id: string
  client_id: string
  scopes: string[]
  claims: string[]
  resources: Record<string, string[]>
  granted_at: number
  updated_at: number
}

const columns: (keyof Row)[] = ['account_id', 'client_id', 'scopes', 'claims', 'resources', 'granted_at', 'updated_at']

const fromRow = (row: Row): Consent => ({
  scopes: row.scopes,
  claims: row.claims,
  resources: row.resources,
  grantedAt: row.granted_at,
  updatedAt: row.updated_at,
})

type Key = { accountId: string; clientId: string }

export async function findConsent(db: Queryable, { accountId, clientId }: Key): Promise<Consent | undefined> {
  const row = await db<Row>('consent').where({ account_id: accountId, client_id: clientId }).first(columns)
  return row && fromRow(row)
}

/** The consents of an account, by client. */
export async function listConsents(db: Queryable, accountId: string): Promise<Map<string, Consent>> {
  const rows = await db<Row>('consent').where({ account_id: accountId }).select(columns)
  return new Map(rows.map((row) => [row.client_id, fromRow(row)]))
}

/** Locks the row for the rest of the transaction, so that concurrent answers are all saved. */
export async function findConsentForUpdate(tx: Tx, { accountId, clientId }: Key): Promise<Consent | undefined> {
  const row = await tx<Row>('consent').where({ account_id: accountId, client_id: clientId }).forUpdate().first(columns)
  return row && fromRow(row)
}

/** Gives whether there was a row. */
export const deleteConsent = async (tx: Tx, { accountId, clientId }: Key): Promise<boolean> =>
  (await tx('consent').where({ account_id: accountId, client_id: clientId }).delete()) > 0

/** Writes the complete consent. `at` is in milliseconds since the epoch. */
export async function putConsent(
  tx: Tx,
  { accountId, clientId }: Key,
  allowed: ConsentGrant,
  at: number,
): Promise<void> {
  await tx('consent')
    .insert({
      account_id: accountId,
      client_id: clientId,
      scopes: allowed.scopes,
      claims: allowed.claims,
      resources: JSON.stringify(allowed.resources),
      granted_at: at,
      updated_at: at,
    })
    .onConflict(['account_id', 'client_id'])
    .merge(['scopes', 'claims', 'resources', 'updated_at'])
}

/** Gives how many rows were deleted. */
export const deleteConsents = (tx: Tx, accountId: string): Promise<number> =>
  tx('consent').where({ account_id: accountId }).delete()
