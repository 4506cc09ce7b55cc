/**
 * More about second factors: suspicious passkeys, consecutive failures, their history, and resets
 * requested by email.
 */
import type { Migration } from './index.ts'

export const factorTrust: Migration = {
  name: '0034_factor_trust',
  up: async (knex) => {
    await knex.raw(`
      -- Since the password was reset: the passkey signs in alone once it has been used beside the new one.
      ALTER TABLE passkey ADD COLUMN needs_password boolean NOT NULL DEFAULT false;

      -- Wrong codes in a row, of one person and method, whatever the sign-in (SP 800-63B-4 §3.2.2).
      CREATE TABLE factor_failure (
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        method text NOT NULL CHECK (method IN ('totp', 'recovery_code')),
        failures integer NOT NULL CHECK (failures > 0),
        -- When the email about them was asked for (milliseconds).
        told_at bigint,
        PRIMARY KEY (account_id, method)
      );

      -- Every factor that was ever enrolled. A row stays when its factor goes.
      CREATE TABLE factor_history (
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        method text NOT NULL CHECK (method IN ('totp', 'passkey')),
        added_at bigint NOT NULL,
        PRIMARY KEY (account_id, method, added_at)
      );
      -- Triggers, so that factors enrolled by the program before this one are noted too.
      CREATE FUNCTION latchkey_note_factor() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO factor_history (account_id, method, added_at)
        VALUES (NEW.account_id, TG_ARGV[0], NEW.created_at) ON CONFLICT DO NOTHING;
        RETURN NULL;
      END $$;
      CREATE TRIGGER totp_history AFTER INSERT OR UPDATE OF created_at ON totp
        FOR EACH ROW EXECUTE FUNCTION latchkey_note_factor('totp');
      CREATE TRIGGER passkey_history AFTER INSERT ON passkey
        FOR EACH ROW EXECUTE FUNCTION latchkey_note_factor('passkey');
      INSERT INTO factor_history (account_id, method, added_at) SELECT account_id, 'totp', created_at FROM totp;
      INSERT INTO factor_history (account_id, method, added_at)
        SELECT account_id, 'passkey', created_at FROM passkey ON CONFLICT DO NOTHING;
      -- Those that were removed before this table are in the audit trail alone.
      INSERT INTO factor_history (account_id, method, added_at)
        SELECT a.id, e.details->>'method', e.at FROM audit_event AS e JOIN account AS a ON a.id::text = e.subject_id
        WHERE e.action = 'factor.added' AND e.subject_type = 'account' AND e.details->>'method' IN ('totp', 'passkey')
        ON CONFLICT DO NOTHING;

      CREATE TABLE factor_reset (
        account_id uuid PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
        generation integer NOT NULL,
        requested_at bigint NOT NULL,
        due_at bigint NOT NULL CHECK (due_at > requested_at),
        expires_at bigint NOT NULL CHECK (expires_at > due_at),
        -- When the email with the link was asked for (milliseconds).
        link_asked_at bigint
      );
      CREATE INDEX factor_reset_due_at ON factor_reset (due_at) WHERE link_asked_at IS NULL;
      CREATE INDEX factor_reset_expires_at ON factor_reset (expires_at);
      ALTER TABLE account_link DROP CONSTRAINT account_link_purpose_check;
      ALTER TABLE account_link ADD CONSTRAINT account_link_purpose_check
        CHECK (purpose IN ('verify', 'recover', 'change_email', 'invite', 'notice', 'reset_factors'));
    `)
  },
}
