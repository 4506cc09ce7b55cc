/**
 * Every audit event records its origin: a request, a command or a job. A request that has proven no
 * account is anonymous.
 */
import type { Migration } from './index.ts'

export const auditOrigin: Migration = {
  name: '0061_audit_origin',
  up: async (knex) => {
    await knex.raw(`
      -- Empty in rows of the version before. \`address\` is the IP address of the request.
      ALTER TABLE audit_event
        ADD COLUMN request_id text CHECK (char_length(request_id) <= 64),
        ADD COLUMN command text CHECK (char_length(command) <= 100),
        ADD COLUMN job text CHECK (char_length(job) <= 100);
      -- Not validated, because the version before wrote fewer types: the check of old rows would lock the table.
      ALTER TABLE audit_event
        DROP CONSTRAINT audit_event_actor_type_check,
        ADD CONSTRAINT audit_event_actor_type_check
          CHECK (actor_type IN ('account', 'client', 'operator', 'system', 'anonymous')) NOT VALID;
    `)
  },
}
