/**
 * The outcome of an interaction: one row each, in Postgres even when the interaction itself is in
 * Redis.
 */
import type { Migration } from './index.ts'

export const interactionOutcome: Migration = {
  name: '0033_interaction_outcome',
  up: async (knex) => {
    await knex.raw(`
      CREATE TABLE interaction_outcome (
        -- SHA-256 of the interaction's id.
        interaction bytea PRIMARY KEY CHECK (octet_length(interaction) = 32),
        -- SHA-256 of the answer: the same one may be repeated for a short time.
        answer bytea NOT NULL CHECK (octet_length(answer) = 32),
        answered_at bigint NOT NULL,
        -- When the authorization was resumed with it; from then on there is no other code.
        resumed_at bigint,
        -- The response of the resume, which may be repeated for a short time; sealed under the interaction's id.
        sealed_response bytea,
        expires_at bigint NOT NULL
      );
      CREATE INDEX interaction_outcome_expires_at ON interaction_outcome (expires_at);
    `)
  },
}
