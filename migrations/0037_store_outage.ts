/**
 * When the database last answered any process, and the outages in which it answered none. A grace
 * window does not count these.
 */
import type { Migration } from './index.ts'

export const storeOutage: Migration = {
  name: '0037_store_outage',
  up: async (knex) => {
    await knex.raw(`
      -- One row for all processes. Times are milliseconds since the epoch; 0: no heartbeat yet.
      CREATE TABLE store_heartbeat (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        beat_at bigint NOT NULL
      );
      INSERT INTO store_heartbeat (beat_at) VALUES (0);
      CREATE TABLE store_outage (
        began_at bigint PRIMARY KEY,
        ended_at bigint NOT NULL CHECK (ended_at > began_at)
      );
    `)
  },
}
