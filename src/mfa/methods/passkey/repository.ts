/** Rows of `passkey` and `passkey_challenge_spent`. */
import type { Queryable, Tx } from '../../../database/database.ts'

export type StoredPasskey = Readonly<{
  id: string
  accountId: string
  credentialId: Buffer
  publicKey: Buffer
  counter: number
  transports: readonly string[]
  name: string
  createdAt: number
  lastUsedAt: number | undefined
  /** After a password reset, until it is used with the new password: it cannot sign in alone. */
  needsPassword: boolean
}>

/** `generation` is the account's, read in the same statement. */
export type FoundPasskey = StoredPasskey & Readonly<{ generation: number }>

const columns = [
  'id',
  'account_id',
  'credential_id',
  'public_key',
  'counter',
  'transports',
  'name',
  'created_at',
  'last_used_at',
  'needs_password',
]

export async function findByCredential(db: Queryable, credentialId: Buffer): Promise<FoundPasskey | undefined> {
  const row = await db('passkey as p')
    .join('account as a', 'a.id', 'p.account_id')
    .select('a.generation', ...columns.map((column) => `p.${column}`))
    .where('p.credential_id', credentialId)
    .first()
  return row && { ...fromRow(row), generation: Number(row.generation) }
}

/** The oldest first. */
export async function listPasskeys(db: Queryable, accountId: string): Promise<StoredPasskey[]> {
  const rows = await db('passkey').select(columns).where({ account_id: accountId }).orderBy('created_at')
  return rows.map(fromRow)
}

/** Returns whether it was inserted: a credential belongs to only one account. */
export async function insertPasskey(
  tx: Tx,
  passkey: Omit<StoredPasskey, 'lastUsedAt' | 'needsPassword'>,
): Promise<boolean> {
  const rows = await tx('passkey')
    .insert({
      id: passkey.id,
      account_id: passkey.accountId,
      credential_id: passkey.credentialId,
      public_key: passkey.publicKey,
      counter: passkey.counter,
      transports: [...passkey.transports],
      name: passkey.name,
      created_at: passkey.createdAt,
    })
    .onConflict('credential_id')
    .ignore()
    .returning('id')
  return rows.length === 1
}

type PasskeyUse = {
  id: string
  accountId: string
  generation: number
  counter: number
  at: number
  /** Whether the sign-in has proven the account's password of this generation. */
  isBesidePassword: boolean
}

/**
 * A counter only increases; authenticators without one always send 0. Locks the account's row
 * first, like a reset: a use in an earlier generation has no effect. Returns whether it counts.
 */
export async function noteUse(db: Queryable, use: PasskeyUse): Promise<boolean> {
  const { rowCount } = await db.raw(
    `WITH owner AS MATERIALIZED (
       SELECT id FROM account WHERE id = :accountId AND generation = :generation FOR SHARE)
     UPDATE passkey SET counter = :counter, last_used_at = :at, needs_password = needs_password AND NOT :isBesidePassword
     WHERE id = :id AND account_id IN (SELECT id FROM owner) AND (:isBesidePassword OR NOT needs_password)
       AND (counter < :counter OR (counter = 0 AND :counter::bigint = 0))`,
    use,
  )
  return rowCount === 1
}

/** Within the transaction that resets the password. */
export async function revokePasskeyTrust(tx: Tx, accountId: string): Promise<void> {
  await tx('passkey').where({ account_id: accountId }).update({ needs_password: true })
}

/** Returns whether it existed. */
export const deletePasskey = async (tx: Tx, accountId: string, id: string): Promise<boolean> =>
  (await tx('passkey').where({ account_id: accountId, id }).delete()) === 1

export async function deletePasskeys(tx: Tx, accountId: string): Promise<void> {
  await tx('passkey').where({ account_id: accountId }).delete()
}

/** Of concurrent calls, only one returns true. */
export async function spendChallenge(db: Queryable, digest: Buffer, expiresAt: number): Promise<boolean> {
  const rows = await db('passkey_challenge_spent')
    .insert({ digest, expires_at: expiresAt })
    .onConflict('digest')
    .ignore()
    .returning('digest')
  return rows.length === 1
}

export async function sweepChallenges(db: Queryable, now: number, limit: number): Promise<number> {
  const { rowCount } = await db.raw(
    `DELETE FROM passkey_challenge_spent WHERE digest IN
       (SELECT digest FROM passkey_challenge_spent WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    [now, limit],
  )
  return rowCount ?? 0
}

const fromRow = (row: Record<string, unknown>): StoredPasskey => ({
  id: String(row.id),
  accountId: String(row.account_id),
  credentialId: row.credential_id as Buffer,
  publicKey: row.public_key as Buffer,
  counter: Number(row.counter),
  transports: row.transports as string[],
  name: String(row.name),
  createdAt: Number(row.created_at),
  lastUsedAt: row.last_used_at === null ? undefined : Number(row.last_used_at),
  needsPassword: row.needs_password === true,
})
