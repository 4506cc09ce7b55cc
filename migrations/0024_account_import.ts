/** The progress of an account import, so that an interrupted import continues there. */
import type { Migration } from './index.ts'

export const accountImport: Migration = {
  name: '0024_account_import',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE account_import (
        -- SHA-256 of the file: another file, or a corrected one, begins at its first line.
        file_digest bytea PRIMARY KEY CHECK (octet_length(file_digest) = 32),
        next_byte bigint NOT NULL CHECK (next_byte >= 0),
        next_line bigint NOT NULL CHECK (next_line >= 1),
        updated_at bigint NOT NULL
      );
    `)
  },
}
