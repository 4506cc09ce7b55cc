/** Telling relying parties that a session is over (OpenID Connect Back-Channel Logout 1.0): noted with its end, delivered afterwards. */
import { Counter } from 'prom-client'
import type { Sealer } from '../../keys/sealer.ts'
import type { Actor, Audit } from '../audit/service.ts'
import type { Client } from '../clients/client.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { OutboundAnswer } from '../outbound/service.ts'
import type { Random } from '../random.ts'
import { logoutDeliveryDone, logoutDeliveryNotFound } from './errors.ts'
import * as repository from './repository.ts'

export const deliveryStates = ['waiting', 'delivered', 'given_up'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** A browser session that has ended, and the clients that were signed in to in it. */
export type EndedSession = Readonly<{
  accountId: string | undefined
  clients: readonly { clientId: string; sid: string | undefined }[]
}>

/** Who is logged out at which client. `sid` is the session's name at that client. */
export type LogoutEvent = Readonly<{ clientId: string; accountId: string; sid: string | undefined }>

/** What the queue knows of an attempt. */
type Attempt = { attempt: number; isLastAttempt: boolean }

type Deps = {
  db: Queryable
  transaction: Transaction
  clients: { findById: (clientId: string) => Promise<Client | undefined> }
  /** Puts the delivery `id` into the outbox; one of a client at a time. */
  send: (tx: Tx, delivery: { id: string; clientId: string }) => Promise<void>
  /** The token to be sent now: signed at each attempt, so that it is never older than its two minutes. */
  makeToken: (event: LogoutEvent, client: Client) => Promise<string>
  post: (url: string, form: Readonly<Record<string, string>>) => Promise<OutboundAnswer>
  audit: Audit
  sealer: Sealer
  clock: Clock
  random: Random
  log: Log
  metrics: Metrics
}

const aad = (id: string): string => `logout_delivery:${id}`
const day = 86_400_000

export function createLogout(deps: Deps) {
  const { db, transaction, clients, sealer, clock, random, log } = deps
  const attempts = new Counter({
    name: 'latchkey_logout_deliveries_total',
    help: 'Attempts to tell a relying party of a logout, by outcome: delivered, failed (tried again), given_up',
    labelNames: ['outcome'],
    registers: [deps.metrics],
  })

  /** One row and one event of the outbox for each client that wants to know, in the transaction that ends the sessions. */
  async function noteEnded(tx: Tx, sessions: readonly EndedSession[]): Promise<void> {
    const signedInTo = new Set(sessions.flatMap((session) => session.clients.map(({ clientId }) => clientId)))
    // Asked in the transaction: with a connection more for each of many logouts at once they would wait for one another.
    const listening = await repository.listListening(tx, [...signedInTo])
    for (const { accountId, clients: signedIn } of sessions) {
      if (accountId === undefined) continue
      for (const { clientId, sid } of signedIn) {
        if (!listening.has(clientId)) continue
        const id = random.id()
        const event: LogoutEvent = { clientId, accountId, sid }
        const sealed = sealer.seal(Buffer.from(JSON.stringify(event)), aad(id))
        await repository.insertDelivery(tx, { id, clientId, sealed, at: clock.now() })
        await deps.send(tx, { id, clientId })
      }
    }
  }

  /** Why the relying party does not know now; undefined when it does. Never what it answered: that is its own text. */
  async function tell(event: LogoutEvent, client: Client): Promise<string | undefined> {
    const url = client.metadata.backchannel_logout_uri
    if (url === undefined) return 'no_address'
    const token = await deps.makeToken(event, client)
    try {
      const { status } = await deps.post(url, { logout_token: token })
      return status === 200 || status === 204 ? undefined : `status_${status}`
    } catch (error) {
      const { reason } = error as { reason?: unknown }
      if (typeof reason === 'string') return reason
      throw error
    }
  }

  return {
    noteEnded,

    /**
     * One attempt. Back-Channel Logout 1.0 §2.8: 200 and 204 are done, 400 is the relying party's own no, so it is asked again only by an
     * operator; anything else, and silence, is tried again. Throws to ask the queue for another attempt.
     */
    async deliver(id: string, { attempt, isLastAttempt }: Attempt): Promise<void> {
      const delivery = await repository.findDelivery(db, id)
      if (!delivery?.sealed || delivery.state !== 'waiting') return
      const event = JSON.parse(sealer.open(delivery.sealed, aad(id)).toString()) as LogoutEvent
      const client = await clients.findById(event.clientId)
      const told = client && !client.isDisabled ? tell(event, client) : Promise.resolve('client_disabled')
      const failure = await told.catch((error: unknown) => {
        // What is ours to mend is the queue's to repeat; but the last attempt must not leave a row that waits for nobody.
        if (!isLastAttempt) throw error
        log.error({ err: error, deliveryId: id }, 'a logout token could not be sent')
        return 'not_sent'
      })
      const isFinal = isLastAttempt || failure === 'status_400' || failure === 'no_address'
      const state = failure === undefined ? 'delivered' : isFinal ? 'given_up' : 'waiting'
      await repository.updateDelivery(db, id, { state, attempts: attempt, lastFailure: failure, at: clock.now() })
      attempts.inc({ outcome: state === 'waiting' ? 'failed' : state })
      if (state === 'given_up') log.warn({ deliveryId: id, clientId: event.clientId, failure }, 'a logout was not told')
      if (state === 'waiting') throw new Error(`logout not delivered: ${failure}`)
    },

    /** The newest first, at most `limit` (default 1000). Who logged out is not told. */
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
      return rows.map(({ sealed: _sealed, ...row }) => row)
    },

    /** Sends one again, at once and as often as a new one. Throws `logout_delivery_not_found`, and `logout_delivery_done` when it was delivered. */
    retry: (id: string, actor: Actor): Promise<void> =>
      transaction(async (tx) => {
        const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)
        const delivery = isId ? await repository.findDeliveryForUpdate(tx, id) : undefined
        if (!delivery) throw logoutDeliveryNotFound({ params: { id } })
        if (delivery.state === 'delivered' || !delivery.sealed) throw logoutDeliveryDone({ params: { id } })
        const { clientId, lastFailure } = delivery
        await repository.updateDelivery(tx, id, { state: 'waiting', attempts: 0, lastFailure, at: clock.now() })
        await deps.send(tx, { id, clientId })
        const subject = { type: 'logout_delivery', id }
        await deps.audit.record(tx, { action: 'logout_delivery.retried', actor, subject, clientId, outcome: 'success' })
      }),

    /** Forgets what was settled a month ago; gives how many rows. */
    sweep: (limit: number): Promise<number> => repository.deleteSettled(db, clock.now() - 30 * day, limit),
  }
}
