/** The consent of an account to a client, remembered across logins, browsers and logout. */
import type { Migration } from './index.ts'

export const consent: Migration = {
  name: '0008_consent',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE consent (
        account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        client_id text NOT NULL REFERENCES client (client_id) ON DELETE CASCADE,
        scopes text[] NOT NULL,
        claims text[] NOT NULL,
        resources jsonb NOT NULL CHECK (jsonb_typeof(resources) = 'object'),
        granted_at bigint NOT NULL,
        updated_at bigint NOT NULL CHECK (updated_at >= granted_at),
        PRIMARY KEY (account_id, client_id)
      );
      CREATE INDEX consent_client_id ON consent (client_id);
    `)
  },
}
