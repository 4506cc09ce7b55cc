/** The audit trail: which party did what, from where, written in the transaction of the change and never altered. */
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import type { Origin } from '../origin.ts'
import type { Random } from '../random.ts'
import type { AuditAction, SignInRefusal } from './catalogue.ts'
import { auditActions } from './catalogue.ts'
import { auditDetailsRefused, unknownAuditAction } from './errors.ts'
import type { Insert, RecordedEvent } from './repository.ts'
import { auditEventInsert, listAuditEventsOf, listKnownSubjects } from './repository.ts'

export type { RecordedEvent } from './repository.ts'

/**
 * The party that acts. `operator`: a person at the command line, by the name of the system user. `system`: Latchkey itself.
 * `anonymous`: a request that has proven no account.
 */
export type Actor =
  | Readonly<{ type: 'account' | 'client' | 'operator'; id: string }>
  | Readonly<{ type: 'system' | 'anonymous' }>

/** The actor of an event and where it comes from. No event is recorded without both. */
export type Initiator = Readonly<{ actor: Actor; origin: Origin }>

type EventFacts = Readonly<{
  /** A refused sign-in has its own function, because it needs a reason. */
  action: Exclude<AuditAction, 'account.sign_in_failed'>
  /** The client that is involved, or undefined. */
  clientId?: string | undefined
  /** What changed, in names and plain values. Never a secret: keys that could hold one are refused. */
  details?: Readonly<Record<string, AuditDetail>> | undefined
}>

export type AuditEvent = EventFacts &
  Readonly<{
    by: Initiator
    /** The target of the action. */
    subject?: Readonly<{ type: string; id: string }> | undefined
    outcome: 'success' | 'failure'
  }>

/** An event whose actor and subject is one account. */
export type OwnEvent = EventFacts & Readonly<{ accountId: string; origin: Origin; outcome?: AuditEvent['outcome'] }>

/** `accountId`: the account that the sign-in was for, or undefined when there is none. */
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
  /** Runs `row`, which inserts the event, and queues the event for the log: in the transaction, and in one statement. */
  write: (tx: Tx, event: RecordedEvent, row: Insert) => Promise<void>
}

export type Audit = ReturnType<typeof createAudit>

type Unplaced = Omit<RecordedEvent, 'id' | 'at' | 'actor'>

/** Refusals of a person that has proven the account. */
const afterProof: readonly SignInRefusal[] = ['unverified', 'breached']

const secretKey = /(^|_)(password|secret|token|code|cookie|assertion|authorization)$/i

export function createAudit({ db, clock, random, write }: Deps) {
  /**
   * Adds one event within the caller's transaction, so that change and record stand or fall together.
   * Throws `unknown_audit_action` outside the catalogue and `audit_details_refused` for a detail named like a secret.
   */
  const record = (tx: Tx, { by, ...event }: AuditEvent): Promise<void> => add(tx, by, event)

  async function add(tx: Tx, { actor, origin }: Initiator, event: Unplaced): Promise<void> {
    if (!auditActions.includes(event.action)) throw unknownAuditAction({ params: { action: event.action } })
    const refused = Object.entries(event.details ?? {}).find(([key, value]) => couldBeSecret(key, value))
    if (refused) throw auditDetailsRefused({ params: { key: refused[0] } })
    const recorded = { ...event, actor, ...placeOf(origin), id: random.id(), at: clock.now() }
    await write(tx, recorded, auditEventInsert(tx, recorded))
  }

  return {
    /** What was done to an account, the newest first. */
    listOf: (accountId: string, limit: number): Promise<RecordedEvent[]> =>
      listAuditEventsOf(db, { type: 'account', id: accountId }, limit),

    /** Which of the ids something was done to, ever; also those that are gone. */
    knownSubjects: (tx: Tx, type: string, ids: readonly string[]): Promise<string[]> =>
      listKnownSubjects(tx, type, ids),

    record,

    /** The same for what an account does to itself. The outcome is `success` unless the event says otherwise. */
    recordOwn: (tx: Tx, { accountId, origin, outcome = 'success', ...event }: OwnEvent): Promise<void> => {
      const account = { type: 'account', id: accountId } as const
      return record(tx, { ...event, outcome, subject: account, by: { actor: account, origin } })
    },

    /** Adds a refused sign-in. Its actor is anonymous, unless the refusal comes after a right password or passkey. */
    recordRefusedSignIn: (tx: Tx, { reason, accountId, clientId, origin }: RefusedSignIn): Promise<void> => {
      const account = accountId === undefined ? undefined : ({ type: 'account', id: accountId } as const)
      const actor = account && afterProof.includes(reason) ? account : ({ type: 'anonymous' } as const)
      const event = { action: 'account.sign_in_failed', clientId, outcome: 'failure', details: { reason } } as const
      return add(tx, { actor, origin }, { ...event, subject: account })
    },
  }
}

/** The origin as rows and lines of the log name it. */
function placeOf(origin: Origin): Pick<RecordedEvent, 'requestId' | 'address' | 'command' | 'job'> {
  return 'ip' in origin ? { requestId: origin.requestId, address: origin.ip } : origin
}

// Whether there is a password may be told; text under such a name may not.
const couldBeSecret = (key: string, value: AuditDetail): boolean =>
  secretKey.test(snakeCase(key)) && (typeof value === 'string' || Array.isArray(value))
const snakeCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
