/** The audit trail: rows can only be added, even by the role that owns the table. */
import type { Migration } from './index.ts'

export const audit: Migration = {
  name: '0006_audit',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE audit_event (
        sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id uuid NOT NULL UNIQUE,
        at bigint NOT NULL,
        action text NOT NULL CHECK (action ~ '^[a-z_]+[.][a-z_]+$'),
        actor_type text NOT NULL CHECK (actor_type IN ('account', 'client', 'operator', 'system')),
        actor_id text CHECK (char_length(actor_id) <= 200),
        subject_type text,
        subject_id text CHECK (char_length(subject_id) <= 2000),
        client_id text,
        address text CHECK (char_length(address) <= 64),
        outcome text NOT NULL CHECK (outcome IN ('success', 'failure')),
        details jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
        CHECK ((subject_type IS NULL) = (subject_id IS NULL))
      );
      CREATE INDEX audit_event_subject ON audit_event (subject_type, subject_id) WHERE subject_id IS NOT NULL;
      CREATE INDEX audit_event_at ON audit_event USING brin (at);
      CREATE FUNCTION audit_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'audit_event is append-only' USING ERRCODE = 'insufficient_privilege';
      END $$;
      CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
        FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_append_only();
    `)
  },
}
