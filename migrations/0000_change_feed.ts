/**
 * The trigger function that notifies every process of the key of a changed row (read by
 * src/database/change-feed.ts).
 */
import type { Migration } from './index.ts'

/**
 * Once for each table whose rows are cached:
 *   CREATE TRIGGER client_change AFTER INSERT OR UPDATE OR DELETE ON client
 *     FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('client_id')
 * The arguments name the key columns. At commit each key is sent on channel `latchkey_change` as
 * `<table>:<key>`. The key is empty (any row) when the trigger is FOR EACH STATEMENT (TRUNCATE, or
 * a bulk change), or when the key is too long for a notification.
 */
export const changeFeed: Migration = {
  name: '0000_change_feed',
  up: async (knex) => {
    await knex.raw(`
      CREATE FUNCTION latchkey_notify_change() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        key_column text;
        old_key text;
        new_key text;
      BEGIN
        IF TG_LEVEL = 'STATEMENT' THEN
          PERFORM pg_notify('latchkey_change', TG_TABLE_NAME || ':');
          RETURN NULL;
        END IF;
        FOREACH key_column IN ARRAY TG_ARGV LOOP
          old_key := NULL;
          new_key := NULL;
          IF TG_OP <> 'INSERT' THEN
            EXECUTE format('SELECT ($1).%I::text', key_column) INTO old_key USING OLD;
          END IF;
          IF TG_OP <> 'DELETE' THEN
            EXECUTE format('SELECT ($1).%I::text', key_column) INTO new_key USING NEW;
          END IF;
          -- A payload holds less than 8,000 bytes.
          IF octet_length(old_key) > 7800 THEN old_key := ''; END IF;
          IF octet_length(new_key) > 7800 THEN new_key := ''; END IF;
          IF old_key IS NOT NULL THEN
            PERFORM pg_notify('latchkey_change', TG_TABLE_NAME || ':' || old_key);
          END IF;
          IF new_key IS NOT NULL AND new_key IS DISTINCT FROM old_key THEN
            PERFORM pg_notify('latchkey_change', TG_TABLE_NAME || ':' || new_key);
          END IF;
        END LOOP;
        RETURN NULL;
      END
      $$
    `)
  },
}
