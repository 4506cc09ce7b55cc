/**
 * The mailbox of an account: one key for every spelling of its email address, and the reason why an
 * address finds no account.
 */
import type { Migration } from './index.ts'

export const accountMailbox: Migration = {
  name: '0048_account_mailbox',
  up: async (knex) => {
    await knex.raw(`
      ALTER TABLE account
        -- The domain in ASCII (UTS #46). Null: the row was written by the program before, and email_key counts.
        ADD COLUMN mailbox text
          CHECK (char_length(mailbox) BETWEEN 3 AND 254)
          CHECK (mailbox ~ '^[^@[:space:][:cntrl:]]+@[a-z0-9.-]+$')
          CHECK (mailbox IS NFC NORMALIZED),
        ADD COLUMN email_problem text CHECK (email_problem IN ('duplicate', 'invalid'));
      -- The program before knows neither column. When it writes another email_key, the mailbox is unknown again; when it
      -- writes back the address of an account that has a problem, nothing changes.
      CREATE FUNCTION latchkey_account_mailbox() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.mailbox IS DISTINCT FROM OLD.mailbox OR NEW.email_problem IS DISTINCT FROM OLD.email_problem THEN
          RETURN NEW;
        END IF;
        IF NEW.email = OLD.email AND OLD.email_problem IS NOT NULL THEN
          NEW.email_key := OLD.email_key;
        ELSE
          NEW.mailbox := NULL;
          NEW.email_problem := NULL;
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER account_mailbox BEFORE UPDATE ON account
        FOR EACH ROW WHEN (OLD.email_key IS DISTINCT FROM NEW.email_key) EXECUTE FUNCTION latchkey_account_mailbox();
    `)
  },
}
