/**
 * The second factors of an account: lists, adds, removes and enables them, renews recovery codes,
 * and decides whether a factor is required. Uses methods only through MfaMethod.
 */
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Audit, AuditEvent, Initiator } from '../audit/service.ts'
import type { AccountReset } from '../authentication/account-reset-types.ts'
import type { Level } from '../authentication/levels.ts'
import { strongest } from '../authentication/levels.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import { factorNeeded, factorNotAsked, factorNotFound } from './errors.ts'
import type { FactorFailures } from './failures.ts'
import type { FactorData, FactorPerson } from './method.ts'
import type { MethodId, MfaMethod } from './methods/index.ts'
import type { RecoveryCodes } from './methods/recovery-code/method.ts'
import { levelOf } from './proof.ts'
import type { EnrolledFactor } from './reset-repository.ts'
import { deleteHistory } from './reset-repository.ts'

type Deps = {
  methods: readonly MfaMethod[]
  recoveryCodes: RecoveryCodes
  failures: Pick<FactorFailures, 'delete' | 'deleteAll' | 'listDisabled'>
  accounts: Pick<Accounts, 'readById'>
  /** Throws `account_reset` when `generation` is not the current one. */
  lockAccount: (tx: Tx, accountId: string, generation?: number) => Promise<Account>
  /** Begins a new generation, which ends all earlier sessions and sign-ins. */
  resetAccount: AccountReset
  setFactorRequired: (tx: Tx, accountId: string, isRequired: boolean) => Promise<void>
  /** Accounts with these roles always need a second factor. */
  administratorRoles: readonly string[]
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
}

export type Factors = ReturnType<typeof createFactors>

/**
 * The account, and the initiator of the change. `generation` is from the session or sign-in. A
 * change throws `account_reset` when it is not the current one.
 */
export type FactorCaller = Readonly<{ accountId: string; generation: number; by: Initiator }>
type Subject = Readonly<{ accountId: string; by: Initiator }>

export function createFactors(deps: Deps) {
  const { methods, recoveryCodes, failures, transaction, audit, clock } = deps
  const primaryMethods = methods.filter((method) => !method.isSubstitute)

  const event = (
    action: AuditEvent['action'],
    { accountId, by }: Subject,
    details?: Record<string, string>,
  ): AuditEvent => ({
    action,
    by,
    subject: { type: 'account', id: accountId },
    outcome: 'success',
    ...(details && { details }),
  })

  /** The factors of the account. Recovery codes only substitute for one and do not count. */
  async function listEnrolled(accountId: string, within?: Queryable): Promise<MethodId[]> {
    const found: MethodId[] = []
    for (const method of primaryMethods)
      if ((await method.listAddedAt(accountId, within)).length > 0) found.push(method.id)
    return found
  }

  function getMethod(id: MethodId): MfaMethod {
    const method = methods.find((one) => one.id === id)
    if (!method) throw factorNotAsked()
    return method
  }

  const isAdministrator = ({ roles }: Account) => roles.some((role) => deps.administratorRoles.includes(role))

  const notify = (tx: Tx, name: 'factor_added' | 'factor_removed', accountId: string, method: MethodId) =>
    deps.sendEmail(tx, { mail: name, accountId, method, askedAtMs: clock.now() })

  /** New codes start a new count of failures. */
  async function replaceCodes(tx: Tx, accountId: string): Promise<string[]> {
    await failures.delete(tx, accountId, 'recovery_code')
    return recoveryCodes.renew(tx, accountId)
  }

  /** The first factor comes with recovery codes. Returns them, or undefined if some existed. */
  async function createFirstCodes(tx: Tx, accountId: string): Promise<string[] | undefined> {
    return (await recoveryCodes.count(accountId, tx)) > 0 ? undefined : replaceCodes(tx, accountId)
  }

  const recordAdded = async (tx: Tx, caller: FactorCaller, method: MethodId): Promise<string[] | undefined> => {
    await audit.record(tx, event('factor.added', caller, { method }))
    await notify(tx, 'factor_added', caller.accountId, method)
    return createFirstCodes(tx, caller.accountId)
  }

  /**
   * Removes every factor and session, within the transaction that locks the account's row. Returns
   * the removed factors.
   */
  async function removeAllFactors(tx: Tx, subject: Subject): Promise<MethodId[]> {
    const { accountId } = subject
    const before = await listEnrolled(accountId, tx)
    for (const method of methods) await method.removeAll(tx, accountId)
    await failures.deleteAll(tx, accountId)
    await deps.resetAccount(tx, accountId)
    for (const method of before) {
      await audit.record(tx, event('factor.removed', subject, { method }))
      await notify(tx, 'factor_removed', accountId, method)
    }
    return before
  }

  return {
    listEnrolled,
    isAdministrator,

    /** Whether every login needs a second factor, except in a remembered browser. */
    requiresFactor: (account: Account): boolean => account.isFactorRequired || isAdministrator(account),

    /** The highest level that this account can reach (OpenID Connect Core 1.0 §2, acr). */
    findHighestLevel: async (accountId: string): Promise<Level> =>
      strongest(...(await listEnrolled(accountId)).map((id) => levelOf(['password', id]))),

    /** The factors of the account with their enrolment times, the oldest first. */
    listAdded: async (accountId: string, within: Queryable): Promise<EnrolledFactor[]> => {
      const found: EnrolledFactor[] = []
      for (const { id, listAddedAt } of primaryMethods) {
        for (const addedAt of await listAddedAt(accountId, within)) found.push({ method: id, addedAt })
      }
      return found.sort((left, right) => left.addedAt - right.addedAt)
    },

    /** The data for the account page. */
    show: async (accountId: string) => ({
      enrolled: await listEnrolled(accountId),
      recoveryCodes: await recoveryCodes.count(accountId),
      disabled: await failures.listDisabled(accountId),
    }),

    /**
     * The data of the view that sets up a factor. Nothing is stored. `refusedForm` is the form of
     * the failed attempt.
     */
    offer: async (
      id: MethodId,
      person: FactorPerson,
      binding: string,
      refusedForm?: Readonly<Record<string, string>>,
    ): Promise<FactorData> => {
      const { offer } = getMethod(id)
      if (!offer) throw factorNotAsked()
      return offer(person, binding, refusedForm)
    },

    /**
     * Stores the factor of the form, for callers that verified a fresh login. Throws the errors
     * of the method's `confirm`. `binding` is that of `offer`. Returns the first recovery codes.
     */
    add: async (caller: FactorCaller, id: MethodId, binding: string, form: Readonly<Record<string, string>>) => {
      const { confirm, isCounted } = getMethod(id)
      if (!confirm) throw factorNotAsked()
      const store = await confirm(caller.accountId, binding, form)
      return transaction(async (tx) => {
        await deps.lockAccount(tx, caller.accountId, caller.generation)
        await store(tx)
        if (isCounted) await failures.delete(tx, caller.accountId, id)
        return recordAdded(tx, caller, id)
      })
    },

    /**
     * Removes a factor, or one of several (`item`).
     * Throws `factor_needed` for the last required factor, and `factor_not_found`.
     */
    remove: (caller: FactorCaller, id: MethodId, item?: string): Promise<void> =>
      transaction(async (tx) => {
        const { accountId } = caller
        const account = await deps.lockAccount(tx, accountId, caller.generation)
        const before = await listEnrolled(accountId, tx)
        const method = primaryMethods.find((one) => one.id === id)
        if (!method || !before.includes(id)) throw factorNotFound()
        const isOnlyItem = item === undefined || (await method.listAddedAt(accountId, tx)).length === 1
        const isLast = before.length === 1 && isOnlyItem
        if (isLast && (account.isFactorRequired || isAdministrator(account))) throw factorNeeded()
        const isRemoved =
          item === undefined ? await method.removeAll(tx, accountId) : await method.removeOne?.(tx, accountId, item)
        if (isRemoved === false) throw factorNotFound()
        // Without a factor, recovery codes would be another way to sign in.
        if (isLast) await recoveryCodes.removeAll(tx, accountId)
        await (isLast ? failures.deleteAll(tx, accountId) : failures.delete(tx, accountId, id))
        await audit.record(tx, event('factor.removed', caller, { method: id }))
        await notify(tx, 'factor_removed', accountId, id)
      }),

    /**
     * Replaces the recovery codes with ten new ones. Throws `factor_not_found` when the account has
     * no factor.
     */
    renewCodes: async (caller: FactorCaller): Promise<string[]> => {
      if ((await listEnrolled(caller.accountId)).length === 0) throw factorNotFound()
      return transaction(async (tx) => {
        await deps.lockAccount(tx, caller.accountId, caller.generation)
        const codes = await replaceCodes(tx, caller.accountId)
        await audit.record(tx, event('factor.recovery_codes_made', caller))
        await notify(tx, 'factor_added', caller.accountId, 'recovery_code')
        return codes
      })
    },

    /**
     * Enables a method after too many wrong answers, for callers that verified another factor.
     * Throws `factor_not_found` when there were no failures.
     */
    enableMethod: (caller: FactorCaller, id: MethodId): Promise<void> =>
      transaction(async (tx) => {
        await deps.lockAccount(tx, caller.accountId, caller.generation)
        if (!(await failures.delete(tx, caller.accountId, id))) throw factorNotFound()
        await audit.record(tx, event('factor.switched_on', caller, { method: id }))
      }),

    removeAllFactors,

    /**
     * An operator's reset after the loss of all factors. Removes every factor and session, and
     * emails the user. Returns the removed factors.
     */
    reset: (accountId: string, by: Initiator): Promise<MethodId[]> =>
      transaction(async (tx) => {
        await deps.lockAccount(tx, accountId)
        return removeAllFactors(tx, { accountId, by })
      }),

    /** Sets whether the account must have a second factor. */
    require: (accountId: string, isRequired: boolean, by: Initiator): Promise<void> =>
      transaction(async (tx) => {
        await deps.lockAccount(tx, accountId)
        await deps.setFactorRequired(tx, accountId, isRequired)
        const action = isRequired ? 'account.factor_required' : 'account.factor_optional'
        await audit.record(tx, event(action, { accountId, by }))
      }),

    /**
     * Removes every factor within the transaction, because each is from before the email was
     * proven.
     */
    removeAtHandover: async (tx: Tx, accountId: string): Promise<void> => {
      for (const method of methods) await method.removeAll(tx, accountId)
      await failures.deleteAll(tx, accountId)
      // The account now belongs to another person, so the old history must not count.
      await deleteHistory(tx, accountId)
    },
  }
}
