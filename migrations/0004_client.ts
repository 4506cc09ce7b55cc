/**
 * Clients and their secrets. Metadata is stored whole, with the names of RFC 7591. What a rule
 * depends on is a column or a constraint.
 */
import type { Migration } from './index.ts'

export const client: Migration = {
  name: '0004_client',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE client (
        client_id text PRIMARY KEY CHECK (client_id ~ '^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$')
          -- RFC 9700 4.15.1: a client id must never look like the \`sub\` of a person, which is a UUID.
          CHECK (client_id !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
        kind text NOT NULL CHECK (kind IN ('web', 'spa', 'native', 'machine')),
        is_first_party boolean NOT NULL DEFAULT false,
        require_pkce boolean NOT NULL DEFAULT true,
        metadata jsonb NOT NULL CHECK (jsonb_typeof(metadata) = 'object')
          CHECK (char_length(metadata->>'client_name') BETWEEN 1 AND 64)
          CHECK (jsonb_typeof(metadata->'redirect_uris') = 'array' AND jsonb_typeof(metadata->'grant_types') = 'array')
          CHECK (NOT jsonb_exists_any(metadata, ARRAY['client_secret', 'client_id'])),
        refresh_grace_seconds integer NOT NULL DEFAULT 30 CHECK (refresh_grace_seconds BETWEEN 0 AND 300),
        is_disabled boolean NOT NULL DEFAULT false,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL CHECK (updated_at >= created_at),
        -- RFC 8252 8.6: nothing proves which app answers at a native redirect URI, so the person is always asked.
        CONSTRAINT client_native_asks CHECK (kind <> 'native' OR NOT is_first_party),
        CONSTRAINT client_public_pkce CHECK (kind = 'web' OR require_pkce),
        CONSTRAINT client_authentication CHECK ((kind IN ('spa', 'native')) = (metadata->>'token_endpoint_auth_method' = 'none'))
      );
      CREATE TRIGGER client_change AFTER INSERT OR UPDATE OR DELETE ON client
        FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('client_id');

      CREATE TABLE client_secret (
        id uuid PRIMARY KEY,
        client_id text NOT NULL REFERENCES client ON DELETE CASCADE,
        -- HMAC-SHA-256 under a key derived from the sealed root secret.
        digest bytea NOT NULL CHECK (octet_length(digest) = 32),
        created_at bigint NOT NULL,
        expires_at bigint
      );
      CREATE INDEX client_secret_client ON client_secret (client_id);
    `)
  },
}
