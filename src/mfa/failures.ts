/**
 * Wrong codes in a row: the user is notified after ten, and the method is off after a hundred until
 * it is reset (SP 800-63B-4 §3.2.2).
 * docs/decisions/0151
 */
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import type { Origin } from '../origin.ts'
import { factorOff } from './errors.ts'
import * as repository from './failure-repository.ts'
import type { MethodId } from './methods/index.ts'
import { findFactor } from './methods/index.ts'

type Deps = {
  db: Queryable
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type FactorFailures = ReturnType<typeof createFactorFailures>

type FailedCheck = Readonly<{ accountId: string; method: MethodId; clientId: string; origin: Origin }>

const notifyAt = 10
const maxFailures = 100

const isCounted = (method: MethodId): boolean => findFactor(method)?.isCounted ?? true

export function createFactorFailures({ db, sendEmail, transaction, audit, clock }: Deps) {
  return {
    /** Counts an answer as wrong before it is checked. Returns the count. Throws `factor_off`. */
    count: async (accountId: string, method: MethodId): Promise<number> => {
      if (!isCounted(method)) return 0
      const failures = await repository.countFailure(db, accountId, method, maxFailures)
      if (failures === undefined) throw factorOff()
      return failures
    },

    /** Records a wrong answer and notifies the user. `failures` is the result of `count`. */
    note: ({ accountId, method, clientId, origin }: FailedCheck, failures: number): Promise<void> =>
      transaction(async (tx) => {
        const event = {
          subject: { type: 'account', id: accountId },
          clientId,
          outcome: 'failure',
          details: { method },
        } as const
        // The password was right, so another person may know it: the actor stays anonymous.
        await audit.record(tx, { ...event, action: 'factor.failed', by: { actor: { type: 'anonymous' }, origin } })
        await audit.recordRefusedSignIn(tx, { reason: 'factor', accountId, clientId, origin })
        if (failures === maxFailures) {
          await audit.record(tx, { ...event, action: 'factor.switched_off', by: { actor: { type: 'system' }, origin } })
        }
        if (failures < notifyAt) return
        const isNotified = !(await repository.markNotified(tx, accountId, method, { from: notifyAt, at: clock.now() }))
        if (!isNotified) await sendEmail(tx, { mail: 'factor_guessed', accountId, method, askedAtMs: clock.now() })
      }),

    /** After a right answer, earlier failures of the method no longer count. */
    reset: async (tx: Tx, accountId: string, method: MethodId): Promise<void> => {
      if (isCounted(method)) await repository.deleteFailures(tx, accountId, method)
    },

    /** Resets the method within the transaction. Returns whether there were failures. */
    delete: (tx: Tx, accountId: string, method: MethodId): Promise<boolean> =>
      repository.deleteFailures(tx, accountId, method),
    deleteAll: repository.deleteAllFailures,

    /** Methods that are off. */
    listDisabled: (accountId: string): Promise<MethodId[]> => repository.listDisabled(db, accountId, maxFailures),
  }
}
