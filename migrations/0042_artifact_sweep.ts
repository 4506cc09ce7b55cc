/** Rows of what has ended. It is invalid from the time of its end; the rows are removed later. */
import type { Migration } from './index.ts'

export const artifactSweep: Migration = {
  name: '0042_artifact_sweep',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE artifact_sweep (
        -- The key of the row in artifact_end, which stays as long as this row.
        key bytea PRIMARY KEY,
        kind smallint NOT NULL,
        account_id text,
        client_id text,
        ended_at bigint NOT NULL,
        noted_at bigint NOT NULL
      );
      CREATE INDEX artifact_sweep_noted_at ON artifact_sweep (noted_at);
    `)
  },
}
