/** Every change of the schema, in the order it is applied. One change a file; a file that has been released is never edited. */
import type { Knex } from 'knex'
import { keyRing } from './0001_key_ring.ts'

export type Migration = {
  name: string
  up: (knex: Knex) => Promise<void>
}

export const migrations: readonly Migration[] = [keyRing]
