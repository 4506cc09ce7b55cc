/**
 * The root secret and the signing keys. Both are sealed: a dump of these tables cannot sign and
 * cannot open a cookie.
 */
import type { Migration } from './index.ts'

export const keyRing: Migration = {
  name: '0001_key_ring',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE root_secret (
        id smallint PRIMARY KEY CHECK (id = 1),
        sealed bytea NOT NULL,
        created_at bigint NOT NULL
      );
      CREATE TABLE signing_key (
        id uuid PRIMARY KEY,
        -- RFC 7638: the SHA-256 thumbprint of the public key.
        kid text NOT NULL UNIQUE,
        algorithm text NOT NULL,
        state text NOT NULL CHECK (state IN ('created', 'announced', 'active', 'retired')),
        sealed_jwk bytea NOT NULL,
        created_at bigint NOT NULL,
        announced_at bigint,
        activated_at bigint,
        retired_at bigint,
        CONSTRAINT signing_key_moments CHECK (
          CASE state
            WHEN 'created' THEN num_nonnulls(announced_at, activated_at, retired_at) = 0
            WHEN 'announced' THEN announced_at IS NOT NULL AND num_nonnulls(activated_at, retired_at) = 0
            WHEN 'active' THEN num_nonnulls(announced_at, activated_at) = 2 AND retired_at IS NULL
            ELSE retired_at IS NOT NULL
          END)
      );
      -- Which key signs must have one answer. A rotation retires the old one first, in the same transaction.
      CREATE UNIQUE INDEX signing_key_one_active ON signing_key (algorithm) WHERE state = 'active';
      CREATE TRIGGER signing_key_change AFTER INSERT OR UPDATE OR DELETE ON signing_key
        FOR EACH ROW EXECUTE FUNCTION latchkey_notify_change('id');
    `)
  },
}
