/**
 * Resource servers (APIs): their scopes, the tokens they accept, and the clients that may request
 * them.
 */
import type { Migration } from './index.ts'

export const resourceServer: Migration = {
  name: '0005_resource_server',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE resource_server (
        -- The identifier without its last slash: \`https://api.example\` and \`https://api.example/\` are one API.
        identifier_key text PRIMARY KEY CHECK (identifier_key !~ '/$' AND char_length(identifier_key) <= 2000),
        identifier text NOT NULL CHECK (char_length(identifier) <= 2000)
          CHECK (identifier ~ '^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$' AND identifier !~ '#'),
        name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
        scopes jsonb NOT NULL CHECK (jsonb_typeof(scopes) = 'array' AND jsonb_array_length(scopes) <= 200),
        token_format text NOT NULL CHECK (token_format IN ('opaque', 'jwt')),
        token_lifetime_seconds integer NOT NULL CHECK (token_lifetime_seconds BETWEEN 60 AND 86400),
        signing_algorithm text NOT NULL CHECK (signing_algorithm IN ('RS256', 'ES256', 'EdDSA')),
        -- True: only the clients in resource_server_client. False: any client whose scope covers.
        is_restricted boolean NOT NULL DEFAULT false,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL CHECK (updated_at >= created_at)
      );
      CREATE TRIGGER resource_server_change AFTER INSERT OR UPDATE OR DELETE ON resource_server
        FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('identifier_key');

      CREATE TABLE resource_server_client (
        identifier_key text NOT NULL REFERENCES resource_server ON DELETE CASCADE,
        client_id text NOT NULL REFERENCES client ON DELETE CASCADE,
        PRIMARY KEY (identifier_key, client_id)
      );
      CREATE INDEX resource_server_client_client ON resource_server_client (client_id);
      -- A client that is removed loses its place in the list, and a namesake made later must not find it in a cache.
      CREATE FUNCTION resource_server_client_changed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE resource_server SET name = name WHERE identifier_key = OLD.identifier_key;
        RETURN NULL;
      END $$;
      CREATE TRIGGER resource_server_client_change AFTER DELETE ON resource_server_client
        FOR EACH ROW EXECUTE FUNCTION resource_server_client_changed();
    `)
  },
}
