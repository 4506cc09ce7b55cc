/**
 * The sealed columns of the root secret and of logouts get a name that begins with `sealed_`:
 * docs/decisions/0177.
 */
import type { Migration } from './index.ts'

export const sealedColumns: Migration = {
  name: '0059_sealed_columns',
  up: async (knex) => {
    await knex.raw(`
      ALTER TABLE root_secret ADD COLUMN sealed_secret bytea;
      ALTER TABLE logout_delivery ADD COLUMN sealed_event bytea;
      -- The version before knows only \`sealed\`. What either version writes, the other reads.
      CREATE FUNCTION latchkey_root_secret_columns() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'INSERT' THEN
          NEW.sealed_secret := coalesce(NEW.sealed_secret, NEW.sealed);
          NEW.sealed := NEW.sealed_secret;
        ELSIF NEW.sealed_secret IS DISTINCT FROM OLD.sealed_secret THEN
          NEW.sealed := NEW.sealed_secret;
        ELSE
          NEW.sealed_secret := NEW.sealed;
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER root_secret_columns BEFORE INSERT OR UPDATE ON root_secret
        FOR EACH ROW EXECUTE FUNCTION latchkey_root_secret_columns();
      CREATE FUNCTION latchkey_logout_delivery_columns() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'INSERT' THEN
          NEW.sealed_event := coalesce(NEW.sealed_event, NEW.sealed);
          NEW.sealed := NEW.sealed_event;
        ELSIF NEW.sealed_event IS DISTINCT FROM OLD.sealed_event THEN
          NEW.sealed := NEW.sealed_event;
        ELSE
          NEW.sealed_event := NEW.sealed;
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER logout_delivery_columns BEFORE INSERT OR UPDATE ON logout_delivery
        FOR EACH ROW EXECUTE FUNCTION latchkey_logout_delivery_columns();
    `)
  },
}
