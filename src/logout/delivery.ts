/**
 * Notifies one relying party of its logouts: one attempt after another, with pauses when it is slow
 * or does not answer.
 */
import { Counter } from 'prom-client'
import type { Sealer } from '../../keys/sealer.ts'
import type { Client } from '../clients/client.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { OutboundAnswer } from '../outbound/service.ts'
import type { SlowReceiver } from './receiver-repository.ts'
import * as receivers from './receiver-repository.ts'
import type { DeliveryRow } from './repository.ts'
import * as repository from './repository.ts'

/** An account that was logged out at a client. `sid` is the session's name at that client. */
export type LogoutEvent = Readonly<{ clientId: string; accountId: string; sid: string | undefined }>

/**
 * Queues the job for a client. The jobs of one client run one after another in the whole cluster.
 */
export type Wake = (tx: Tx, clientId: string, options?: { delayMs?: number; isOwn?: true }) => Promise<void>

export type DeliveryDeps = {
  db: Queryable
  transaction: Transaction
  clients: { findById: (clientId: string) => Promise<Client | undefined> }
  wake: Wake
  /** The token to be sent: signed at each attempt, because it is valid for two minutes. */
  makeToken: (event: LogoutEvent, client: Client) => Promise<string>
  post: (url: string, form: Readonly<Record<string, string>>) => Promise<OutboundAnswer>
  sealer: Sealer
  clock: Clock
  log: Log
  metrics: Metrics
  /** How many slow clients this process notifies at the same time. The other workers stay free. */
  slowAtOnce?: number
}

export const deliveryAad = (id: string): string => `logout_delivery:${id}`

const maxAttempts = 25
const waitsAtMostMs = 4 * 86_400_000
// A job ends after this many deliveries or this time. Then it is queued again, behind the jobs of
// other clients.
const deliveryBatchSize = 20
const timeShareMs = 2_000
const giveUpBatchSize = 1000
const slowMs = 1_000
const slotWaitMs = 2_500

/** After 3, 7, 20 seconds and so on; six hours at most. */
const pauseMs = (failures: number): number => Math.round(Math.exp(Math.min(failures, 10)) * 1000)

/** `unanswered`: no answer. `late`: a slow answer. `none`: no request was sent. */
type Contact = 'quick' | 'late' | 'unanswered' | 'none'
type Attempt = Readonly<{ failure: string | undefined; contact: Contact }>

export function createLogoutDelivery(deps: DeliveryDeps) {
  const { db, transaction, clients, wake, sealer, clock, log, slowAtOnce = 4 } = deps
  let slowNow = 0
  const attempts = new Counter({
    name: 'latchkey_logout_deliveries_total',
    help: 'Attempts to deliver a logout to a relying party, by outcome: delivered, failed (retried), given_up',
    labelNames: ['outcome'],
    registers: [deps.metrics],
  })

  const scheduleAttempt = (clientId: string, delayMs: number): Promise<void> =>
    transaction((tx) => wake(tx, clientId, { delayMs: Math.max(delayMs, 0), isOwn: true }))

  /** The failure never includes the relying party's answer, which may contain any text. */
  async function post(event: LogoutEvent, client: Client): Promise<Attempt> {
    const url = client.metadata.backchannel_logout_uri
    if (url === undefined) return { failure: 'no_address', contact: 'none' }
    const token = await deps.makeToken(event, client)
    const began = performance.now()
    try {
      const { status } = await deps.post(url, { logout_token: token })
      const contact = performance.now() - began > slowMs ? 'late' : 'quick'
      return { failure: status === 200 || status === 204 ? undefined : `status_${status}`, contact }
    } catch (error) {
      const { reason } = error as { reason?: unknown }
      if (typeof reason !== 'string') throw error
      const isSilent = reason === 'timeout' || reason === 'unreachable'
      return { failure: reason, contact: isSilent ? 'unanswered' : 'none' }
    }
  }

  async function attempt({ id, clientId, sealedEvent }: DeliveryRow): Promise<Attempt> {
    try {
      if (!sealedEvent) return { failure: 'not_sent', contact: 'none' }
      const client = await clients.findById(clientId)
      if (!client || client.isDisabled) return { failure: 'client_disabled', contact: 'none' }
      return await post(JSON.parse(sealer.open(sealedEvent, deliveryAad(id)).toString()) as LogoutEvent, client)
    } catch (error) {
      log.error({ err: error, deliveryId: id }, 'a logout token could not be sent')
      return { failure: 'not_sent', contact: 'none' }
    }
  }

  /** Saves when the client may be notified again. Gives its new state. */
  async function noteContact(
    clientId: string,
    contact: Contact,
    receiver: SlowReceiver | undefined,
  ): Promise<SlowReceiver | undefined> {
    if (contact === 'none') return receiver
    if (contact === 'quick') {
      if (receiver) await receivers.deleteSlowReceiver(db, clientId)
      return undefined
    }
    const failures = contact === 'late' ? 0 : (receiver?.failures ?? 0) + 1
    const next = { failures, nextAt: clock.now() + (failures > 0 ? pauseMs(failures) : 0) }
    await receivers.saveSlowReceiver(db, clientId, next)
    return next
  }

  /**
   * Back-Channel Logout 1.0 §2.8: 200 and 204 are done. 400 is a refusal: only an operator can send
   * it again. Everything else, and no answer, is retried.
   */
  async function noteAttempt(delivery: DeliveryRow, { failure }: Attempt): Promise<void> {
    const { id, clientId } = delivery
    const count = delivery.attempts + 1
    const isFinal = count >= maxAttempts || failure === 'status_400' || failure === 'no_address'
    const state = failure === undefined ? 'delivered' : isFinal ? 'given_up' : 'waiting'
    const at = clock.now()
    const nextAt = at + (state === 'waiting' ? pauseMs(count) : 0)
    await repository.updateDelivery(db, delivery, { state, attempts: count, lastFailure: failure, at, nextAt })
    attempts.inc({ outcome: state === 'waiting' ? 'failed' : state })
    if (state === 'given_up') log.warn({ deliveryId: id, clientId, failure }, 'a logout was not delivered')
  }

  /**
   * A client that does not answer gets one attempt every few hours. Its old deliveries would never
   * use up their attempts.
   */
  async function abandonOldDeliveries(clientId: string): Promise<void> {
    const at = clock.now()
    const old = { clientId, beforeMs: at - waitsAtMostMs, at, limit: giveUpBatchSize }
    for (let count = giveUpBatchSize; count === giveUpBatchSize; ) {
      count = await repository.abandonOldDeliveries(db, old)
      attempts.inc({ outcome: 'given_up' }, count)
      if (count > 0) log.warn({ clientId, count }, 'logouts were not delivered')
    }
  }

  /** Attempts what is due. A slow client has one attempt, then other clients are served. */
  async function deliverDue(clientId: string, known: SlowReceiver | undefined, signal: AbortSignal) {
    let receiver = known
    const endsAt = performance.now() + timeShareMs
    for (const delivery of await repository.listDue(db, clientId, clock.now(), deliveryBatchSize)) {
      if (signal.aborted || performance.now() > endsAt) break
      const made = await attempt(delivery)
      await noteAttempt(delivery, made)
      receiver = await noteContact(clientId, made.contact, receiver)
      if (made.contact === 'unanswered') await abandonOldDeliveries(clientId)
      if (receiver) break
    }
    return receiver
  }

  /** The job: sends the due deliveries to the client, and queues itself for the others. */
  return async (clientId: string, signal: AbortSignal): Promise<void> => {
    const known = await receivers.findSlowReceiver(db, clientId)
    if (known && known.nextAt > clock.now()) return scheduleAttempt(clientId, known.nextAt - clock.now())
    if (known && slowNow >= slowAtOnce) return scheduleAttempt(clientId, slotWaitMs)
    if (known) slowNow += 1
    let receiver: SlowReceiver | undefined
    try {
      receiver = await deliverDue(clientId, known, signal)
    } finally {
      if (known) slowNow -= 1
    }
    const next = await repository.findNextAttemptAt(db, clientId)
    if (next !== undefined) await scheduleAttempt(clientId, Math.max(next, receiver?.nextAt ?? 0) - clock.now())
  }
}
