/**
 * The lifetime of a client's refresh tokens, and whether they rotate. Absent lifetimes are those of
 * the settings.
 */
import type { Migration } from './index.ts'

export const clientRefresh: Migration = {
  name: '0009_client_refresh',
  up: async (knex) => {
    await knex.raw(`
      ALTER TABLE client
        ADD COLUMN refresh_rotation boolean NOT NULL DEFAULT true,
        ADD COLUMN refresh_idle_seconds integer CHECK (refresh_idle_seconds BETWEEN 60 AND 31536000),
        ADD COLUMN refresh_absolute_seconds integer CHECK (refresh_absolute_seconds BETWEEN 60 AND 315360000),
        ADD CONSTRAINT client_refresh_lifetimes CHECK (refresh_idle_seconds <= refresh_absolute_seconds)
    `)
  },
}
