/** Counters of request limits: one row for each policy and subject, under a keyed digest. */
import type { Migration } from './index.ts'

export const rateLimit: Migration = {
  name: '0027_rate_limit',
  up: async (knex) => {
    // Unlogged, so that no write waits for the disk. After a crash Postgres counts from zero, as
    // Redis does.
    await knex.raw(`
      CREATE UNLOGGED TABLE rate_limit (
        key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
        -- How many the last statement gave: a row can tell its new values only.
        granted double precision NOT NULL,
        at bigint NOT NULL,
        level double precision NOT NULL,
        previous double precision NOT NULL,
        hits bigint[] NOT NULL,
        expires_at bigint NOT NULL
      );
      CREATE INDEX rate_limit_expires_at ON rate_limit (expires_at);
    `)
  },
}
