/**
 * Settings that an administrator changes at run time: one row for each setting that differs from
 * its default.
 */
import type { Migration } from './index.ts'

export const setting: Migration = {
  name: '0007_setting',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE setting (
        key text PRIMARY KEY CHECK (key ~ '^[a-z][A-Za-z0-9]{0,63}$'),
        value jsonb NOT NULL,
        updated_at bigint NOT NULL
      );
      CREATE TRIGGER setting_change AFTER INSERT OR UPDATE OR DELETE ON setting
        FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('key');
    `)
  },
}
