/**
 * What the master key seals. `src/cli/sealed-locations.ts` has the full list, including two-factor
 * secrets.
 */
import type { Knex } from 'knex'

/** One sealed value, and the location to which its seal is bound. */
export type SealedValue = Readonly<{ key: string; sealed: Buffer; aad: string }>

export type SealedLocation = Readonly<{
  /** The name that the administrator sees. */
  name: string
  /**
   * `<table>.<column>`; the column's name begins with `sealed_`. Absent for values in the payload
   * of queued jobs.
   */
  column?: string
  /** The next values in the order of their keys, at most `limit`. */
  list: (knex: Knex, after: string | undefined, limit: number) => Promise<SealedValue[]>
  /** Replaces `value` with `sealed`, if `value` is still there. */
  replace: (knex: Knex, value: SealedValue, sealed: Buffer) => Promise<void>
}>

/** A column of a table, whose seals are bound to `table:key`. */
export function sealedColumn(table: string, key: string, sealedColumn: string): SealedLocation {
  return {
    name: table,
    column: `${table}.${sealedColumn}`,
    list: async (knex, after, limit) => {
      const query = knex(table)
        .select({ key, sealed: sealedColumn })
        .whereNotNull(sealedColumn)
        .orderBy(key)
        .limit(limit)
      const rows: { key: string | number; sealed: Buffer }[] = await (after === undefined
        ? query
        : query.where(key, '>', after))
      return rows.map((row) => ({ key: String(row.key), sealed: row.sealed, aad: `${table}:${row.key}` }))
    },
    replace: async (knex, value, sealed) => {
      await knex(table)
        .where({ [key]: value.key, [sealedColumn]: value.sealed })
        .update({ [sealedColumn]: sealed })
    },
  }
}

/**
 * Queued jobs of the outbox: `{ id, sealed }` in base64, bound to `outbox <kind> <id>`
 * (src/outbox/service.ts).
 */
const outbox: SealedLocation = {
  name: 'outbox',
  list: async (knex, after, limit) => {
    const { rows } = await knex.raw(
      `SELECT job.id AS key, substr(task.identifier, 8) AS kind, job.payload ->> 'id' AS id, job.payload ->> 'sealed' AS sealed
       FROM graphile_worker._private_jobs AS job JOIN graphile_worker._private_tasks AS task ON task.id = job.task_id
       WHERE task.identifier LIKE 'outbox:%' AND job.id > ? ORDER BY job.id LIMIT ?`,
      [after ?? 0, limit],
    )
    return rows.map((row: { key: string | number; kind: string; id: string; sealed: string }) => ({
      key: String(row.key),
      sealed: Buffer.from(row.sealed, 'base64'),
      aad: `outbox ${row.kind} ${row.id}`,
    }))
  },
  replace: async (knex, value, sealed) => {
    await knex.raw(
      `UPDATE graphile_worker._private_jobs SET payload = json_build_object('id', payload ->> 'id', 'sealed', ?::text)
       WHERE id = ? AND payload ->> 'sealed' = ?`,
      [sealed.toString('base64'), value.key, value.sealed.toString('base64')],
    )
  },
}

/** The root secret is first: its seal tells every process which master key to use for new seals. */
export const fixedLocations: readonly SealedLocation[] = [
  sealedColumn('root_secret', 'id', 'sealed_secret'),
  sealedColumn('signing_key', 'id', 'sealed_jwk'),
  sealedColumn('logout_delivery', 'id', 'sealed_event'),
  outbox,
]
