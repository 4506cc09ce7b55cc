/**
 * Resource servers: tokens of 5 to 60 minutes, every algorithm that can be offered, and the clients
 * that may introspect.
 */
import type { Migration } from './index.ts'

export const resourceServerTokens: Migration = {
  name: '0013_resource_server_tokens',
  up: async (knex) => {
    await knex.raw(`
      UPDATE resource_server SET token_lifetime_seconds = least(greatest(token_lifetime_seconds, 300), 3600)
        WHERE token_lifetime_seconds NOT BETWEEN 300 AND 3600;
      ALTER TABLE resource_server
        DROP CONSTRAINT resource_server_token_lifetime_seconds_check,
        ADD CONSTRAINT resource_server_token_lifetime_seconds_check CHECK (token_lifetime_seconds BETWEEN 300 AND 3600),
        DROP CONSTRAINT resource_server_signing_algorithm_check,
        ADD CONSTRAINT resource_server_signing_algorithm_check
          CHECK (signing_algorithm IN ('RS256', 'ES256', 'EdDSA', 'PS256', 'ES384', 'ES512'));

      CREATE TABLE resource_server_introspector (
        identifier_key text NOT NULL REFERENCES resource_server ON DELETE CASCADE,
        client_id text NOT NULL REFERENCES client ON DELETE CASCADE,
        PRIMARY KEY (identifier_key, client_id)
      );
      CREATE INDEX resource_server_introspector_client ON resource_server_introspector (client_id);
      CREATE TRIGGER resource_server_introspector_change AFTER DELETE ON resource_server_introspector
        FOR EACH ROW EXECUTE FUNCTION resource_server_client_changed();
    `)
  },
}
