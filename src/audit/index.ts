/**
 * The audit trail: rows in the transaction of the change, and lines of the log after its commit.
 */
import type { Tx } from '../database/database.ts'
import type { EnqueueOptions } from '../jobs/queue.ts'
import type { Log } from '../log.ts'
import type { RecordedEvent } from './service.ts'
import { createAudit } from './service.ts'

type Deps = Omit<Parameters<typeof createAudit>[0], 'insertAndQueue'> & {
  outbox: {
    send: (tx: Tx, name: 'audit-log', event: RecordedEvent, row: EnqueueOptions['alongside']) => Promise<void>
    handle: (
      name: 'audit-log',
      deliver: (event: Readonly<{ action: string }>, delivery: { id: string }) => Promise<void>,
    ) => void
  }
  log: Log
}

export function createAuditFeature({ outbox, log, ...deps }: Deps) {
  outbox.handle('audit-log', async (event, { id }) => log.info({ audit: event, eventId: id }, event.action))
  return {
    audit: createAudit({ ...deps, insertAndQueue: (tx, event, row) => outbox.send(tx, 'audit-log', event, row) }),
  }
}
