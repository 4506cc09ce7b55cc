/** The steps of one login: what is proven, what is still required, and when it is done. */
import { createHash } from 'node:crypto'
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { AccountResetHandler } from '../authentication/account-reset-types.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import { AppError } from '../errors.ts'
import type { RequestOrigin } from '../origin.ts'
import type { Random } from '../random.ts'
import { factorLocked, factorNotAsked, factorOff, factorRefused, factorTriesUsed } from './errors.ts'
import type { FactorFailures } from './failures.ts'
import type { FactorOwner } from './method.ts'
import type { MethodId, MfaMethod } from './methods/index.ts'
import type { FactorMetrics } from './metrics.ts'
import { createNextStep } from './next-step.ts'
import { lockOwner } from './owner-lock.ts'
import type { Progress } from './progress-repository.ts'
import * as repository from './progress-repository.ts'
import type { Proof } from './proof.ts'
import { createRememberedBrowsers, rememberedDigest } from './remembered.ts'
import type { Factors } from './service.ts'
import type { LoginContext, Step, StepRequest } from './step.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  audit: Audit
  accounts: Pick<Accounts, 'readById'>
  factors: Pick<Factors, 'listEnrolled' | 'isAdministrator' | 'requiresFactor'>
  methods: readonly MfaMethod[]
  failures: FactorFailures
  /** Ends a requested reset of the account's factors after one of them is proven. */
  endReset: (owner: FactorOwner, origin: RequestOrigin) => Promise<void>
  /** Throws if the account may not use this client. Called when a login begins and continues. */
  refusePendingDeletion: (account: Account, clientId: string) => void
  metrics: FactorMetrics
  clock: Clock
  random: Random
}

/** `isStored`: read from the interaction's row. A row that is deleted since then stays deleted. */
type FoundProgress = Progress & Readonly<{ isStored: boolean }>

export type LoginSteps = ReturnType<typeof createLoginSteps>

const minuteMs = 60_000
/** The time from the password to the last factor. */
const progressLifetimeMs = 10 * minuteMs
const maxAttemptsPerLogin = 5
const attemptWindow = { windowMs: 15 * minuteMs, most: 10 }
const sweepBatchSize = 1000

export function createLoginSteps(deps: Deps) {
  const { db, methods, clock, transaction, audit } = deps
  const remembered = createRememberedBrowsers(deps)
  const nextOf = createNextStep(deps, remembered)

  const lifetime = () => ({ now: clock.now(), expiresAt: clock.now() + progressLifetimeMs })

  /**
   * The proofs of this interaction or, when only a higher level is missing, of the current session.
   */
  async function progressOf({ uid, currentLogin }: StepRequest): Promise<FoundProgress | undefined> {
    const own = await repository.findProgress(db, keyOf(uid), clock.now())
    if (own) return { ...own, isStored: true }
    if (!currentLogin?.amr.includes('pwd')) return undefined
    const { accountId, generation, authTimeMs } = currentLogin
    return { accountId, generation, proven: ['password'], provenAtMs: authTimeMs, isStored: false }
  }

  /**
   * Checks an answer, adds its proof and forgets earlier failures in one transaction. After a
   * double click, the second request waits for the first one: `repeated`. `ended`: the login is
   * over, or the account was reset.
   */
  const checkOnce = (
    method: MfaMethod,
    progress: Progress,
    answer: Readonly<Record<string, string>>,
    { uid, clientId }: StepRequest,
    { origin }: LoginContext,
  ) =>
    transaction(async (tx): Promise<'proven' | 'repeated' | 'refused' | 'ended'> => {
      const { accountId } = progress
      // The account's row first, as a reset locks it.
      await lockOwner(tx, progress)
      const proven = await repository.lockProgress(tx, keyOf(uid), progress)
      if (!proven) return 'ended'
      const isRepeated = proven.includes(method.id)
      if (!isRepeated) {
        if (!(await method.check(tx, progress, answer, uid))) return 'refused'
        if (!(await repository.addProof(tx, keyOf(uid), progress, method.id))) return 'ended'
        const details = { method: method.id }
        await audit.recordOwn(tx, { action: 'factor.proven', accountId, clientId, origin, details })
      }
      await deps.failures.reset(tx, accountId, method.id)
      await repository.clearFactorAttempts(tx, accountId)
      return isRepeated ? 'repeated' : 'proven'
    })

  /** Records a sign-in that is refused without a check of the factor. */
  const noteRefused = (
    accountId: string,
    { clientId }: StepRequest,
    { origin }: LoginContext,
    reason: 'factor' | 'locked' | 'deletion_pending',
  ): Promise<void> => transaction((tx) => audit.recordRefusedSignIn(tx, { reason, accountId, clientId, origin }))

  return {
    /**
     * Records the first proof of a login, replaces earlier proofs of this interaction, and returns
     * the next step. `generation` was read together with the proof.
     */
    begin: async (
      request: StepRequest,
      { id, generation }: Pick<Account, 'id' | 'generation'>,
      proof: Proof,
      loginContext: LoginContext,
    ): Promise<Step> => {
      const progress = { accountId: id, generation, proven: [proof], provenAtMs: clock.now() }
      const step = await nextOf(progress, request, loginContext).catch(async (error: unknown) => {
        if (error instanceof AppError && error.code === 'account_leaving') {
          await noteRefused(id, request, loginContext, 'deletion_pending')
        }
        throw error
      })
      if (!step) throw factorNotAsked()
      if (proof !== 'password') await deps.endReset(progress, loginContext.origin)
      if (step.kind !== 'done') {
        await repository.putProgress(db, keyOf(request.uid), progress, clock.now() + progressLifetimeMs)
      }
      return step
    },

    /**
     * The next step of a login that has begun or continues from a session. Undefined: start again.
     */
    resume: async (request: StepRequest, loginContext: LoginContext): Promise<Step | undefined> => {
      const progress = await progressOf(request)
      return progress && nextOf(progress, request, loginContext)
    },

    /**
     * Counts one answer, then checks it. Returns the next step.
     * Throws `factor_not_asked`, `factor_refused`, `factor_off`, `factor_locked` (limit of the
     * account for factors), `factor_tries_used` (limit of this login), `account_leaving`.
     */
    prove: async (
      request: StepRequest,
      id: MethodId,
      answer: Readonly<Record<string, string>>,
      loginContext: LoginContext,
    ) => {
      const progress = await progressOf(request)
      const step = progress && (await nextOf(progress, request, loginContext))
      // The first request of a double click has added the proof and has not finished the login yet,
      // or its process has ended.
      if (step?.kind === 'done' && progress?.proven.includes(id)) {
        await deps.endReset(progress, loginContext.origin)
        return step
      }
      if (!progress || step?.kind !== 'factor') throw factorNotAsked()
      if (step.disabled.includes(id)) {
        deps.metrics.count(id, 'off')
        await noteRefused(progress.accountId, request, loginContext, 'locked')
        throw factorOff()
      }
      if (!step.methods.includes(id)) throw factorNotAsked()
      const method = methods.find((one) => one.id === id)
      if (!method) throw factorNotAsked()
      const key = keyOf(request.uid)
      const { accountId } = progress
      if (!progress.isStored) await repository.insertProgress(db, key, progress, lifetime())
      if (!(await repository.countProgressAttempt(db, key, maxAttemptsPerLogin))) {
        if (!(await repository.findProgress(db, key, clock.now()))) throw factorNotAsked()
        await noteRefused(accountId, request, loginContext, 'factor')
        throw factorTriesUsed()
      }
      // An answer that cannot be guessed needs no lock, so other people's attempts cannot block it.
      const lockedUntil = method.isCounted
        ? await repository.countFactorAttempt(db, accountId, { ...attemptWindow, now: clock.now() })
        : undefined
      if (lockedUntil !== undefined) {
        deps.metrics.count(id, 'locked')
        await noteRefused(accountId, request, loginContext, 'locked')
        throw factorLocked({ retryAfterSeconds: Math.ceil((lockedUntil - clock.now()) / 1000) })
      }
      const failures = await deps.failures.count(accountId, id)
      const result = await checkOnce(method, progress, answer, request, loginContext)
      if (result === 'ended') throw factorNotAsked()
      if (result !== 'repeated') deps.metrics.count(id, result === 'proven' ? 'success' : 'failure')
      if (result === 'refused') {
        const { clientId } = request
        await deps.failures.note({ accountId, method: id, clientId, origin: loginContext.origin }, failures)
        throw factorRefused()
      }
      await deps.endReset(progress, loginContext.origin)
      const next = await nextOf({ ...progress, proven: [...progress.proven, id] }, request, loginContext)
      if (!next) throw factorNotAsked()
      return next
    },

    /** Records a factor as proven after it was set up in this login. Throws `factor_not_asked`. */
    enrolled: async (request: StepRequest, id: MethodId): Promise<void> => {
      const progress = await progressOf(request)
      if (!progress) throw factorNotAsked()
      const key = keyOf(request.uid)
      if (!progress.isStored) await repository.insertProgress(db, key, progress, lifetime())
      if (!(await repository.addProof(db, key, progress, id))) throw factorNotAsked()
    },

    /** Deletes the proofs, when the user or another user starts again. */
    clear: (uid: string): Promise<void> => repository.deleteProgress(db, keyOf(uid)),

    remember: remembered.remember,
    countRemembered: remembered.count,
    deleteRememberedBrowsers: remembered.clear,

    /**
     * For a sign-out everywhere, in its transaction: ends unfinished sign-ins and forgets
     * remembered browsers. A reset uses `onAccountReset`.
     */
    endSignIns: (tx: Tx, accountId: string): Promise<void> => repository.endOf(tx, accountId),

    /** A reset ends unfinished sign-ins. Only the browser that requested it stays remembered. */
    onAccountReset: (async (tx, accountId, { preserved, end }) => {
      const [before, after] = [preserved.rememberedToken, end.rememberedToken]
      if (before === undefined || after === undefined) return repository.endOf(tx, accountId)
      const { generation } = end
      await repository.endOf(tx, accountId, {
        digest: rememberedDigest(before),
        next: rememberedDigest(after),
        generation,
      })
    }) satisfies AccountResetHandler,

    /** Deletes expired rows. Returns their number. */
    sweep: (): Promise<number> => repository.sweep(db, clock.now(), attemptWindow.windowMs, sweepBatchSize),
  }
}

const keyOf = (uid: string): Buffer => createHash('sha256').update(`latchkey login\0${uid}`).digest()
