/**
 * The audit trail: which party did what and from where, written in the transaction of the change
 * and never altered.
 */
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import type { Origin } from '../origin.ts'
import type { Random } from '../random.ts'
import type { AuditAction } from './actions.ts'
import { auditActions } from './actions.ts'
import { auditDetailsRefused, unknownAuditAction } from './errors.ts'
import type { Insert, RecordedEvent } from './repository.ts'
import { buildAuditEventInsert, listAuditEventsOf, listKnownSubjects } from './repository.ts'
import type { SignInRefusal } from './sign-in-refusals.ts'

export type { RecordedEvent } from './repository.ts'

/**
 * The acting party. `operator`: the system user at the command line. `system`: Latchkey itself.
 * `anonymous`: a request that has not proven an account.
 */
export type Actor =
  | Readonly<{ type: 'account' | 'client' | 'operator'; id: string }>
  | Readonly<{ type: 'system' | 'anonymous' }>

/** The actor of an event and where it comes from. No event is recorded without both. */
export type Initiator = Readonly<{ actor: Actor; origin: Origin }>

type EventFacts = Readonly<{
  /** A refused sign-in has its own function, because it requires a reason. */
  action: Exclude<AuditAction, 'account.sign_in_failed'>
  /** The client of the event, or undefined. */
  clientId?: string | undefined
  /**
   * What changed, as names and plain values. Never a secret: keys that could be one are refused.
   */
  details?: Readonly<Record<string, AuditDetail>> | undefined
}>

export type AuditEvent = EventFacts &
  Readonly<{
    by: Initiator
    /** The object of the action. */
    subject?: Readonly<{ type: string; id: string }> | undefined
    outcome: 'success' | 'failure'
  }>

/** An event whose actor and subject is one account. */
export type OwnEvent = EventFacts & Readonly<{ accountId: string; origin: Origin; outcome?: AuditEvent['outcome'] }>

/** `accountId`: the account of the sign-in, or undefined when no account matches. */
export type RefusedSignIn = Readonly<{
  reason: SignInRefusal
  accountId: string | undefined
  clientId: string | undefined
  origin: Origin
}>

export type AuditDetail = string | number | boolean | null | readonly string[]

type Deps = {
  db: Queryable
  clock: Clock
  random: Random
  /**
   * Inserts the event with `row` and queues it for the log, in one statement of the transaction.
   */
  insertAndQueue: (tx: Tx, event: RecordedEvent, row: Insert) => Promise<void>
}

export type Audit = ReturnType<typeof createAudit>

type EventWithoutOrigin = Omit<RecordedEvent, 'id' | 'at' | 'actor'>

/** Refusals after the account was proven. */
const afterProof: readonly SignInRefusal[] = ['unverified', 'breached', 'breach_unchecked', 'deletion_pending']

const secretKey = /(^|_)(password|secret|token|code|cookie|assertion|authorization)$/i

export function createAudit({ db, clock, random, insertAndQueue }: Deps) {
  /**
   * Adds one event in the caller's transaction, so that the change and its record are committed
   * together. Throws `unknown_audit_action` outside `auditActions` and `audit_details_refused` for
   * a detail named like a secret.
   */
  const record = (tx: Tx, { by, ...event }: AuditEvent): Promise<void> => add(tx, by, event)

  async function add(tx: Tx, { actor, origin }: Initiator, event: EventWithoutOrigin): Promise<void> {
    if (!auditActions.includes(event.action)) throw unknownAuditAction({ params: { action: event.action } })
    const refused = Object.entries(event.details ?? {}).find(([key, value]) => couldBeSecret(key, value))
    if (refused) throw auditDetailsRefused({ params: { key: refused[0] } })
    const recorded = { ...event, actor, ...placeOf(origin), id: random.id(), at: clock.now() }
    await insertAndQueue(tx, recorded, buildAuditEventInsert(tx, recorded))
  }

  return {
    /** The events of an account, newest first. */
    listOf: (accountId: string, limit: number): Promise<RecordedEvent[]> =>
      listAuditEventsOf(db, { type: 'account', id: accountId }, limit),

    /** The ids that the trail contains as subjects, including deleted ones. */
    knownSubjects: (tx: Tx, type: string, ids: readonly string[]): Promise<string[]> =>
      listKnownSubjects(tx, type, ids),

    record,

    /**
     * The same for an action of an account on itself. The outcome is `success` unless the event
     * says otherwise.
     */
    recordOwn: (tx: Tx, { accountId, origin, outcome = 'success', ...event }: OwnEvent): Promise<void> => {
      const account = { type: 'account', id: accountId } as const
      return record(tx, { ...event, outcome, subject: account, by: { actor: account, origin } })
    },

    /** Adds a refused sign-in. Its actor is anonymous, unless the password or passkey was right. */
    recordRefusedSignIn: (tx: Tx, { reason, accountId, clientId, origin }: RefusedSignIn): Promise<void> => {
      const account = accountId === undefined ? undefined : ({ type: 'account', id: accountId } as const)
      const actor = account && afterProof.includes(reason) ? account : ({ type: 'anonymous' } as const)
      const event = { action: 'account.sign_in_failed', clientId, outcome: 'failure', details: { reason } } as const
      return add(tx, { actor, origin }, { ...event, subject: account })
    },
  }
}

/** The origin as rows and log lines name it. */
function placeOf(origin: Origin): Pick<RecordedEvent, 'requestId' | 'address' | 'command' | 'job'> {
  return 'ip' in origin ? { requestId: origin.requestId, address: origin.ip } : origin
}

// A boolean under such a name is safe (`hasPassword`); text may be the secret itself.
const couldBeSecret = (key: string, value: AuditDetail): boolean =>
  secretKey.test(snakeCase(key)) && (typeof value === 'string' || Array.isArray(value))
const snakeCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
