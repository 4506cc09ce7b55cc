/**
 * Columns with the id of an account or a client whose rows no foreign key removes: how they end, or
 * why they stay.
 */

export type IdentifyingColumn = Readonly<{
  table: string
  /** Columns with an id. */
  columns: readonly string[]
  /**
   * `ended`: code ends the rows with the account or client. `retained`: they stay after it.
   */
  fate: 'ended' | 'retained'
  reason: string
}>

/** A column with a foreign key ON DELETE CASCADE needs no line here. */
export const identifyingColumns: readonly IdentifyingColumn[] = [
  {
    table: 'artifact',
    columns: ['account_id', 'client_id'],
    fate: 'ended',
    reason: 'endAccount and endClient of adapters/revocations.ts end the rows and note the sweep that removes them',
  },
  {
    table: 'artifact_sweep',
    columns: ['account_id', 'client_id'],
    fate: 'ended',
    reason: 'says what has ended; the last pass of the sweep removes the row',
  },
  {
    table: 'session_client',
    columns: ['client_id'],
    fate: 'ended',
    reason: 'removed with its session; without the grant, which endClient ends, the row opens nothing',
  },
  {
    table: 'audit_event',
    columns: ['actor_id', 'subject_id', 'client_id'],
    fate: 'retained',
    reason: 'the audit trail is append-only, and names what is deleted by its id alone',
  },
]
