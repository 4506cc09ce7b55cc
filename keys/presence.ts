/**
 * Which master keys the running processes know. Each process shows its keys in the name of its
 * listening connection.
 */
import type { Knex } from 'knex'
import { masterKeyId } from './sealer.ts'

const prefix = 'latchkey keys '

/**
 * At most 47 characters, because Postgres cuts longer names. The ids are public: every sealed value
 * begins with one.
 */
export const listenerName = ({
  masterKey,
  previousMasterKey,
}: {
  masterKey: Buffer
  previousMasterKey: Buffer | undefined
}): string => `${prefix}${[masterKey, ...(previousMasterKey ? [previousMasterKey] : [])].map(masterKeyId).join(' ')}`

/**
 * Counts the processes on this database that cannot open what `masterKey` seals. A process that is
 * still connecting is not counted.
 */
export async function countProcessesWithoutKey(knex: Knex, masterKey: Buffer): Promise<number> {
  const { rows } = await knex.raw(
    `SELECT count(*) AS count FROM pg_stat_activity
     WHERE datname = current_database() AND starts_with(application_name, ?) AND position(? IN application_name) = 0`,
    [prefix, masterKeyId(masterKey)],
  )
  return Number(rows[0].count)
}
