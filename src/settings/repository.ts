/** Rows of `setting`: only values that differ from the default. */
import type { Queryable, Tx } from '../database/database.ts'

export const listSettingRows = (db: Queryable): Promise<{ key: string; value: unknown }[]> =>
  db('setting').select('key', 'value')

export async function putSetting(tx: Tx, key: string, value: unknown, at: number): Promise<void> {
  const changed = { value: JSON.stringify(value), updated_at: at }
  await tx('setting')
    .insert({ key, ...changed })
    .onConflict('key')
    .merge(changed)
}

export async function deleteSetting(tx: Tx, key: string): Promise<void> {
  await tx('setting').where({ key }).delete()
}
