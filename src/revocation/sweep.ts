/** The job that removes the rows of what has ended, when the transaction of the end has left some. */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Clock } from '../clock.ts'
import type { Transaction, Tx } from '../database/database.ts'
import type { Enqueue, Task } from '../jobs/queue.ts'

const name = 'sweep-ended'

// A worker of the queue is lent for so long. Then the job is put in again, behind the others.
const timeShareMs = 10_000

type Deps = {
  enqueue: Enqueue
  transaction: Transaction
  artifacts: Pick<ArtifactStore, 'removeEnded'>
  clock: Clock
}

/** Puts the job into the transaction that ends something. */
export const enqueueSweep = (enqueue: Enqueue, tx: Tx, key: Buffer): Promise<void> =>
  enqueue(tx, name, { key: key.toString('base64url') })

export function createEndedSweep({ enqueue, transaction, artifacts, clock }: Deps): Readonly<Record<string, Task>> {
  return {
    [name]: async (payload, { signal }) => {
      const key = Buffer.from((payload as { key: string }).key, 'base64url')
      const endsAt = clock.now() + timeShareMs
      const isLate = () => clock.now() >= endsAt
      const isDone = await artifacts.removeEnded(key, () => signal.aborted || isLate())
      // What a request in flight holds is left to the duty of every minute.
      if (!isDone && (signal.aborted || isLate())) await transaction((tx) => enqueueSweep(enqueue, tx, key))
    },
  }
}
