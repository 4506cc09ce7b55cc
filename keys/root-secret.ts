/**
 * The root secret: one random value, sealed in Postgres. Every other secret key is derived from it
 * (docs/decisions/0038).
 */
import { hkdfSync } from 'node:crypto'
import type { Knex } from 'knex'
import type { Clock } from '../src/clock.ts'
import type { Transaction } from '../src/database/database.ts'
import type { Random } from '../src/random.ts'
import { takeLock } from './locks.ts'
import type { Sealer } from './sealer.ts'

export type RootSecret = {
  /**
   * `length` bytes (default 32) for `purpose`: HKDF-SHA256 (RFC 5869 §3.2). The same purpose always
   * gives the same bytes.
   */
  derive: (purpose: string, length?: number) => Buffer
}

type Deps = { transaction: Transaction; sealer: Sealer; random: Random; clock: Clock }

const sealLocation = 'root_secret:1'

/**
 * Opens the root secret, or creates it once when the database has none. Replacing the master key
 * does not change it, so cookies and client secrets stay valid. Throws WrongMasterKey and
 * SealDamaged, and has then changed nothing.
 */
export async function openRootSecret({ transaction, sealer, random, clock }: Deps): Promise<RootSecret> {
  const open = (sealed: Buffer): Buffer => {
    sealer.follow(sealed)
    return sealer.open(sealed, sealLocation)
  }
  const secret = await transaction(async (tx) => {
    const found = await findRootSecret(tx)
    if (found) return open(found)
    await takeLock(tx, 'rootSecret')
    const foundMeanwhile = await findRootSecret(tx)
    if (foundMeanwhile) return open(foundMeanwhile)
    const made = random.bytes(32)
    await tx('root_secret').insert({ id: 1, sealed_secret: sealer.seal(made, sealLocation), created_at: clock.now() })
    return made
  })
  return deriveFrom(secret)
}

const deriveFrom = (secret: Buffer): RootSecret => ({
  derive: (purpose, length = 32) => Buffer.from(hkdfSync('sha256', secret, '', `latchkey ${purpose}`, length)),
})

/**
 * Opens the root secret without creating one, also before the migrations. Undefined when the
 * database has none. Throws WrongMasterKey and SealDamaged.
 */
export async function readRootSecret({
  knex,
  sealer,
}: {
  knex: Knex
  sealer: Sealer
}): Promise<RootSecret | undefined> {
  const { rows } = await knex.raw("SELECT to_regclass('root_secret') IS NOT NULL AS exists")
  const sealed = rows[0].exists ? await findInAnyVersion(knex) : undefined
  return sealed && deriveFrom(sealer.open(sealed, sealLocation))
}

/**
 * Throws WrongMasterKey or SealDamaged when the root secret does not open. Passes without one.
 * Call it before the migrations: a start with a wrong key then changes nothing.
 */
export async function checkMasterKey(deps: { knex: Knex; sealer: Sealer }): Promise<void> {
  await readRootSecret(deps)
}

/** The sealed root secret. Its header shows which master key seals new values. */
export const findRootSecret = async (knex: Knex): Promise<Buffer | undefined> =>
  (await knex('root_secret').where({ id: 1 }).first('sealed_secret'))?.sealed_secret

/** The same before the migrations: the column may still have its old name (docs/decisions/0177). */
async function findInAnyVersion(knex: Knex): Promise<Buffer | undefined> {
  const { rows } = await knex.raw(
    `SELECT coalesce(to_jsonb(r) ->> 'sealed_secret', to_jsonb(r) ->> 'sealed') AS hex FROM root_secret AS r WHERE id = 1`,
  )
  const [row] = rows
  // PostgreSQL §8.4.1: the hex digits follow `\x`.
  return row && Buffer.from(row.hex.slice(2), 'hex')
}
