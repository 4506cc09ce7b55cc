/**
 * Notifies relying parties that a session has ended (OpenID Connect Back-Channel Logout 1.0):
 * recorded with the end, delivered afterwards.
 */
import type { Audit, Initiator } from '../audit/service.ts'
import type { Tx } from '../database/database.ts'
import type { Task } from '../jobs/queue.ts'
import type { Random } from '../random.ts'
import type { DeliveryDeps, LogoutEvent } from './delivery.ts'
import { createLogoutDelivery, deliveryAad } from './delivery.ts'
import { logoutDeliveryDone, logoutDeliveryNotFound } from './errors.ts'
import { makeReceiverDue } from './receiver-repository.ts'
import type { NewDelivery } from './repository.ts'
import * as repository from './repository.ts'

export const deliveryStates = ['waiting', 'delivered', 'given_up'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** A browser session that has ended, and the clients that the user was signed in to in it. */
export type EndedSession = Readonly<{
  accountId: string | undefined
  clients: readonly { clientId: string; sid: string | undefined }[]
}>

/** The queue's task that notifies one client. */
export const logoutTask = 'logout-receiver'

type Deps = DeliveryDeps & { audit: Audit; random: Random }

const day = 86_400_000
// No job is queued during a longer pause. The job of the client or the duty continues after it.
const wakesAheadMs = 60_000
const overdueMs = 300_000
const wakeBatchSize = 1000

export function createLogout(deps: Deps) {
  const { db, transaction, wake, sealer, clock, random } = deps
  const delivery = createLogoutDelivery(deps)

  function toDelivery(event: LogoutEvent, at: number): NewDelivery {
    const id = random.id()
    const sealedEvent = sealer.seal(Buffer.from(JSON.stringify(event)), deliveryAad(id))
    return { id, clientId: event.clientId, sealedEvent, at }
  }

  /**
   * Inserts one row and one job for each client with notifications, in the transaction that ends
   * the sessions.
   */
  async function noteEnded(tx: Tx, sessions: readonly EndedSession[]): Promise<void> {
    const signedInTo = new Set(sessions.flatMap((session) => session.clients.map(({ clientId }) => clientId)))
    // Read in the transaction: many concurrent logouts with a second connection each could
    // deadlock.
    const listening = await repository.listListening(tx, [...signedInTo])
    const at = clock.now()
    const deliveries = sessions.flatMap(({ accountId, clients: signedIn }) =>
      accountId === undefined
        ? []
        : signedIn
            .filter(({ clientId }) => listening.has(clientId))
            .map(({ clientId, sid }) => toDelivery({ clientId, accountId, sid }, at)),
    )
    await repository.insertDeliveries(tx, deliveries)
    for (const clientId of new Set(deliveries.map((delivery) => delivery.clientId))) {
      const delayMs = Math.max((listening.get(clientId) ?? 0) - at, 0)
      if (delayMs <= wakesAheadMs) await wake(tx, clientId, { delayMs })
    }
  }

  return {
    noteEnded,

    tasks: {
      [logoutTask]: (payload, { signal }) => delivery((payload as { clientId: string }).clientId, signal),
    } satisfies Record<string, Task>,

    /** Handles an event of the previous version, which had one for each delivery. */
    async adopt(id: string): Promise<void> {
      const delivery = await repository.findDelivery(db, id)
      if (delivery?.state === 'waiting') await transaction((tx) => wake(tx, delivery.clientId))
    },

    /**
     * The newest first, at most `limit` (default 1000). The logged-out accounts are not included.
     */
    list: async ({
      clientId,
      state,
      limit = 1000,
    }: {
      clientId?: string
      state?: DeliveryState
      limit?: number
    } = {}) => {
      const rows = await repository.listDeliveries(db, {
        ...(clientId !== undefined && { clientId }),
        ...(state !== undefined && { state }),
        limit,
      })
      return rows.map(({ sealedEvent: _sealed, ...row }) => row)
    },

    /**
     * Sends a delivery again, at once and with all attempts. Throws `logout_delivery_not_found`,
     * and `logout_delivery_done` when it was delivered.
     */
    retry: (id: string, by: Initiator): Promise<void> =>
      transaction(async (tx) => {
        const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)
        const delivery = isId ? await repository.findDeliveryForUpdate(tx, id) : undefined
        if (!delivery) throw logoutDeliveryNotFound({ params: { id } })
        if (delivery.state === 'delivered' || !delivery.sealedEvent) throw logoutDeliveryDone({ params: { id } })
        const { clientId } = delivery
        await repository.renewDelivery(tx, id, clock.now())
        await makeReceiverDue(tx, clientId)
        await wake(tx, clientId)
        const subject = { type: 'logout_delivery', id }
        await deps.audit.record(tx, { action: 'logout_delivery.retried', by, subject, clientId, outcome: 'success' })
      }),

    /** Deletes what was settled a month ago. Gives how many rows. */
    sweep: (limit: number): Promise<number> => repository.deleteSettled(db, clock.now() - 30 * day, limit),

    /** Queues a job for clients without one: it was removed, or it failed for days. */
    async wakeOverdue(): Promise<void> {
      for (const clientId of await repository.listOverdue(db, clock.now() - overdueMs, wakeBatchSize)) {
        await transaction((tx) => wake(tx, clientId, { isOwn: true }))
      }
    },
  }
}
