/** Which master keys the running processes know: each shows it by the name of the connection that it listens with. */
import type { Knex } from 'knex'
import { masterKeyId } from './sealer.ts'

const prefix = 'latchkey keys '

/** At most 47 characters, which Postgres keeps whole. The ids are no secret: they stand in front of everything sealed. */
export const listenerName = ({
  masterKey,
  previousMasterKey,
}: {
  masterKey: Buffer
  previousMasterKey: Buffer | undefined
}): string => `${prefix}${[masterKey, ...(previousMasterKey ? [previousMasterKey] : [])].map(masterKeyId).join(' ')}`

/** How many processes on this database could not open what `masterKey` seals. One that is connecting at this moment is not seen. */
export async function countUnaware(knex: Knex, masterKey: Buffer): Promise<number> {
  const { rows } = await knex.raw(
    `SELECT count(*) AS count FROM pg_stat_activity
     WHERE datname = current_database() AND starts_with(application_name, ?) AND position(? IN application_name) = 0`,
    [prefix, masterKeyId(masterKey)],
  )
  return Number(rows[0].count)
}
