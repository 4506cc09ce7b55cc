/**
 * The job that removes the rows of what has ended, when the transaction of the end has left some.
 */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { Enqueue, Task } from '../jobs/queue.ts'

const name = 'sweep-ended'

// A job uses a worker of the queue for at most so long. Then it is queued again, behind the others.
const timeShareMs = 10_000

type Deps = {
  enqueue: Enqueue
  transaction: Transaction
  artifacts: Pick<ArtifactStore, 'removeEnded'>
  clock: Clock
}

/** Queues the job in the transaction that ends something. */
export const enqueueSweep = (enqueue: Enqueue, tx: Tx, key: Buffer): Promise<void> =>
  enqueue(tx, name, { key: key.toString('base64url') })

export function createEndedSweep({ enqueue, transaction, artifacts, clock }: Deps): Readonly<Record<string, Task>> {
  return {
    [name]: async (payload, { signal }) => {
      const key = Buffer.from((payload as { key: string }).key, 'base64url')
      const endsAt = clock.now() + timeShareMs
      const isLate = () => clock.now() >= endsAt
      const isDone = await artifacts.removeEnded(key, () => signal.aborted || isLate())
      // Rows that a request in flight has locked are left to the duty that runs every minute.
      if (!isDone && (signal.aborted || isLate())) await transaction((tx) => enqueueSweep(enqueue, tx, key))
    },
  }
}
