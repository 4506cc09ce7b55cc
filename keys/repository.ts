/**
 * Rows of `signing_key`. The seal of a private key is bound to the row's id, and the row must name
 * the same key.
 */
import type { Knex } from 'knex'
import type { SigningJwk } from './algorithms.ts'
import { SealDamaged } from './errors.ts'
import type { Sealer } from './sealer.ts'
import type { KeyLife, KeyState } from './states.ts'

export type SigningKey = KeyLife & Readonly<{ id: string; kid: string; algorithm: string; privateJwk: SigningJwk }>

type Row = {
  id: string
  kid: string
  algorithm: string
  state: KeyState
  sealed_jwk: Buffer
  // bigint arrives as text unless the pool parses it.
  created_at: string | number
  announced_at: string | number | null
  activated_at: string | number | null
  retired_at: string | number | null
}

const columns = [
  'id',
  'kid',
  'algorithm',
  'state',
  'sealed_jwk',
  'created_at',
  'announced_at',
  'activated_at',
  'retired_at',
] as const

/** Every key of the ring, opened. Throws WrongMasterKey and SealDamaged. */
export async function listKeys(knex: Knex, sealer: Sealer): Promise<SigningKey[]> {
  const rows: Row[] = await knex('signing_key').select(...columns)
  return rows.map((row) => toKey(row, sealer))
}

export async function insertKey(tx: Knex.Transaction, sealer: Sealer, key: Omit<SigningKey, 'kid'>): Promise<void> {
  await tx('signing_key').insert({
    id: key.id,
    kid: key.privateJwk.kid,
    algorithm: key.algorithm,
    state: key.state,
    sealed_jwk: sealer.seal(Buffer.from(JSON.stringify(key.privateJwk)), placeOf(key.id)),
    created_at: key.createdAt,
    announced_at: key.announcedAt,
    activated_at: key.activatedAt,
    retired_at: key.retiredAt,
  })
}

/** Changes the state of the key. Returns false when its state was no longer the expected one. */
export async function moveKey(tx: Knex.Transaction, { id, state }: SigningKey, after: KeyLife): Promise<boolean> {
  const count = await tx('signing_key')
    .where({ id, state })
    .update({
      state: after.state,
      created_at: after.createdAt,
      announced_at: after.announcedAt ?? null,
      activated_at: after.activatedAt ?? null,
      retired_at: after.retiredAt ?? null,
    })
  return count > 0
}

export async function deleteKey(tx: Knex.Transaction, id: string): Promise<void> {
  await tx('signing_key').where({ id }).delete()
}

function toKey(row: Row, sealer: Sealer): SigningKey {
  const privateJwk: SigningJwk = JSON.parse(sealer.open(row.sealed_jwk, placeOf(row.id)).toString())
  // The seal binds only the id. Without this check, write access to the table could make a key sign
  // under another kid.
  if (privateJwk.kid !== row.kid || privateJwk.alg !== row.algorithm) throw new SealDamaged(placeOf(row.id))
  return {
    id: row.id,
    kid: row.kid,
    algorithm: row.algorithm,
    state: row.state,
    privateJwk,
    createdAt: Number(row.created_at),
    announcedAt: toMs(row.announced_at),
    activatedAt: toMs(row.activated_at),
    retiredAt: toMs(row.retired_at),
  }
}

const toMs = (value: string | number | null): number | undefined => (value === null ? undefined : Number(value))
const placeOf = (id: string): string => `signing_key:${id}`
