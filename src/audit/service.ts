/** The audit trail: who did what to whom, written in the transaction of the change and never altered. */
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import type { Random } from '../random.ts'
import type { AuditAction } from './catalogue.ts'
import { auditActions } from './catalogue.ts'
import { auditDetailsRefused, unknownAuditAction } from './errors.ts'
import type { StoredAuditEvent } from './repository.ts'
import { insertAuditEvent, listAuditEventsOf, listKnownSubjects } from './repository.ts'

export const actorTypes = ['account', 'client', 'operator', 'system'] as const

/** Who acts: a person, a client, somebody at the command line (`id` is the system user's name), or Latchkey itself. */
export type Actor = Readonly<{ type: (typeof actorTypes)[number]; id?: string }>

export type AuditEvent = Readonly<{
  action: AuditAction
  actor: Actor
  /** What the action was done to. */
  subject?: Readonly<{ type: string; id: string }>
  clientId?: string
  /** The caller's network address, where there is one. */
  address?: string
  outcome: 'success' | 'failure'
  /** What changed, in names and plain values. Never a secret: keys that could hold one are refused. */
  details?: Readonly<Record<string, AuditDetail>>
}>

export type AuditDetail = string | number | boolean | null | readonly string[]

type Deps = {
  db: Queryable
  clock: Clock
  random: Random
  /** Hands the event on to whoever watches, as part of the same transaction: nobody hears of what was rolled back. */
  publish: (tx: Tx, event: RecordedEvent) => Promise<void>
}

/** An event as it was written; `at` in milliseconds since the epoch. */
export type RecordedEvent = AuditEvent & Readonly<{ id: string; at: number }>
export type Audit = ReturnType<typeof createAudit>

const secretKey = /(^|_)(password|secret|token|code|cookie|assertion|authorization)$/i

export function createAudit({ db, clock, random, publish }: Deps) {
  return {
    /** What was done to an account, the newest first. */
    listOf: (accountId: string, limit: number): Promise<StoredAuditEvent[]> =>
      listAuditEventsOf(db, { type: 'account', id: accountId }, limit),

    /** Which of the ids something was done to, ever; also those that are gone. */
    knownSubjects: (tx: Tx, type: string, ids: readonly string[]): Promise<string[]> =>
      listKnownSubjects(tx, type, ids),

    /**
     * Adds one event within the caller's transaction, so that change and record stand or fall together.
     * Throws `unknown_audit_action` outside the catalogue and `audit_details_refused` for a detail named like a secret.
     */
    record: async (tx: Tx, event: AuditEvent): Promise<void> => {
      if (!auditActions.includes(event.action)) throw unknownAuditAction({ params: { action: event.action } })
      const refused = Object.entries(event.details ?? {}).find(([key, value]) => couldBeSecret(key, value))
      if (refused) throw auditDetailsRefused({ params: { key: refused[0] } })
      const recorded = { ...event, id: random.id(), at: clock.now() }
      await insertAuditEvent(tx, recorded)
      await publish(tx, recorded)
    },
  }
}

// Whether there is a password may be told; text under such a name may not.
const couldBeSecret = (key: string, value: AuditDetail): boolean =>
  secretKey.test(snakeCase(key)) && (typeof value === 'string' || Array.isArray(value))
const snakeCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
