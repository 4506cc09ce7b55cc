/**
 * The login throttle. Postgres counts each attempt before verification, for the typed email or
 * the known browser. A success takes back its own attempt. Unknown emails count in the same way.
 */
import { createHmac, createSecretKey } from 'node:crypto'
import type { AccountResetHandler } from '../authentication/account-reset-types.ts'
import type { Captcha } from '../captcha/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import type { AppError } from '../errors.ts'
import { captchaNeeded, passwordOff, proofLocked, signInLocked, tooManyFailures } from './errors.ts'
import { createKeyedQueue } from './keyed-queue.ts'
import type { LoginThrottleMetrics } from './login-throttle-metrics.ts'
import type { AttemptCount } from './login-throttle-repository.ts'
import * as repository from './login-throttle-repository.ts'

type Deps = {
  db: Queryable
  /** 32 bytes. Rows contain digests with this key, so that a dump reveals no identifiers. */
  key: Buffer
  /** Normalises an identifier for counting. */
  normalise: (identifier: string) => string
  /** The prefixes of an IP address that are counted. */
  prefixesOf: (ip: string) => readonly string[]
  captcha: Pick<Captcha, 'spend'>
  metrics: LoginThrottleMetrics
  /** The error for too many concurrent attempts of one identifier or network. */
  busy: () => AppError
  clock: Clock
}

/** An account whose password is checked again: in its session, or on the page of an email link. */
export type PasswordCheck = Readonly<{ accountId: string }>

/**
 * One attempt. `browserToken` is from the cookie of a known browser. A CAPTCHA is bound to
 * `interaction`.
 */
export type LoginAttempt = Readonly<{
  identifier: string
  ip: string | undefined
  browserToken?: string | undefined
  captcha?: string | undefined
  interaction: string
}>

/** `emailProblem` is set when the email no longer finds this account. */
type EmailOwner = Readonly<{ id: string; email: string; emailProblem?: string | undefined }>
type BrowserOwner = EmailOwner & Readonly<{ generation: number }>

export type LoginThrottle = ReturnType<typeof createLoginThrottle>

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** From `lockAt` attempts in a window the counter is locked. Repeated locks are longer. */
const rules = { windowMs: 15 * minuteMs, lockAt: 11, lockMs: 15 * minuteMs, doublings: 2, lockMemoryMs: dayMs }
const freeAttempts = 5
/** SP 800-63B-4 §3.2.2 allows at most 100 consecutive failures. */
const maxConsecutiveFailures = 100
const freeNetworkFailures = 20
const maxNetworkFailures = 100
const knownBrowserMs = 400 * dayMs
/** The maximum for one account. */
const maxKnownBrowsers = 50
const maxWaiting = 200
const sweepBatchSize = 1000

export function createLoginThrottle(deps: Deps) {
  const { db, normalise, captcha, metrics, clock } = deps
  const secret = createSecretKey(deps.key)
  const digest = (...parts: readonly string[]) => createHmac('sha256', secret).update(JSON.stringify(parts)).digest()
  const runInOrder = createKeyedQueue({
    maxLength: maxWaiting,
    refuse: () => {
      throw deps.busy()
    },
  })
  const needsCaptchaNext = new WeakSet<object>()
  const countedUnverified = new WeakSet<object>()

  const secondsUntil = (ms: number) => Math.max(1, Math.ceil((ms - clock.now()) / 1000))

  const identifierKey = (identifier: string) => digest('identifier', normalise(identifier))
  const ipKeys = (ip: string) => deps.prefixesOf(ip).map((one) => digest('address', one))
  const browserKey = (token: string, identifier: string) => digest('browser', token, normalise(identifier))

  /**
   * The counter of the attempt. A known browser has its own, so that an attacker cannot lock it.
   */
  async function counterOf({
    identifier,
    browserToken,
  }: Pick<LoginAttempt, 'identifier' | 'browserToken'>): Promise<{ key: Buffer; isKnownBrowser: boolean }> {
    if (browserToken !== undefined) {
      const key = browserKey(browserToken, identifier)
      if (await repository.isKnownBrowser(db, key, clock.now() - knownBrowserMs)) return { key, isKnownBrowser: true }
    }
    return { key: identifierKey(identifier), isKnownBrowser: false }
  }

  type Reason = 'locked' | 'off' | 'address' | 'crowded' | 'captcha'
  /** `counts`: the attempt counts as a failure, although the password was not verified. */
  const refusal = (reason: Reason, error: AppError, counts: boolean): AppError => {
    metrics.count(reason)
    if (counts) countedUnverified.add(error)
    return error
  }

  /** Throws unless the attempt may be verified. A refusal because of the network is not counted. */
  async function admit(
    loginAttempt: LoginAttempt,
    isKnownBrowser: boolean,
    attemptCount: AttemptCount,
    network: repository.NetworkFailures,
  ): Promise<void> {
    if (attemptCount.lockedUntil !== undefined) {
      throw refusal('locked', signInLocked({ retryAfterSeconds: secondsUntil(attemptCount.lockedUntil) }), true)
    }
    if (attemptCount.total > maxConsecutiveFailures) throw refusal('off', passwordOff(), true)
    if (network.hourFailures >= maxNetworkFailures) {
      const retryAfterSeconds = secondsUntil(network.hourEndsAt)
      throw refusal('address', tooManyFailures({ retryAfterSeconds }), false)
    }
    // If all pending attempts failed, the network would exceed its limit.
    if (network.hourWorstCase > maxNetworkFailures) throw refusal('crowded', deps.busy(), false)
    const hasManyAttempts = !isKnownBrowser && attemptCount.tries > freeAttempts
    if (!hasManyAttempts && network.quarterFailures < freeNetworkFailures) return
    if (!(await captcha.spend(loginAttempt.captcha, loginAttempt.interaction))) {
      const error = captchaNeeded()
      needsCaptchaNext.add(error)
      throw refusal('captcha', error, hasManyAttempts)
    }
  }

  async function attempt<T>(
    loginAttempt: LoginAttempt,
    work: () => Promise<T>,
    isWrong: (error: unknown) => boolean,
    onLock: () => Promise<void>,
  ) {
    const { key, isKnownBrowser } = await counterOf(loginAttempt)
    const prefixes = loginAttempt.ip === undefined ? [] : ipKeys(loginAttempt.ip)
    return runInOrder(key.toString('hex'), async () => {
      const now = clock.now()
      const attemptCount = await repository.countAttempt(db, key, now, rules)
      const network = await repository.beginNetworkAttempt(db, prefixes, now)
      const endAttempt = (isRight: boolean) =>
        isKnownBrowser && isRight ? repository.clearAttempts(db, key) : repository.undoAttempt(db, key, isRight)
      let result: T
      try {
        if (attemptCount.hasJustLocked) await onLock()
        await admit(loginAttempt, isKnownBrowser, attemptCount, network)
        result = await work()
      } catch (error) {
        const isWrongGuess = isWrong(error)
        // Other errors are no failures: the server was busy, or the right password needs another
        // step.
        const isFailure = isWrongGuess || countedUnverified.has(Object(error))
        const [quarterFailures] = await Promise.all([
          repository.endNetworkAttempt(db, prefixes, isFailure),
          !isFailure && endAttempt(false),
        ])
        if (isWrongGuess) {
          metrics.count('wrong')
          if ((!isKnownBrowser && attemptCount.tries >= freeAttempts) || quarterFailures >= freeNetworkFailures)
            needsCaptchaNext.add(Object(error))
        }
        throw error
      }
      await Promise.all([repository.endNetworkAttempt(db, prefixes, false), endAttempt(true)])
      metrics.count('right')
      return result
    })
  }

  /** An account may try ten times in 15 minutes. A right password resets the count. */
  async function attemptPasswordCheck<T>(
    { accountId }: PasswordCheck,
    work: () => Promise<T>,
    isRight: (result: T) => boolean,
  ) {
    const key = digest('proof', accountId)
    return runInOrder(key.toString('hex'), async () => {
      const { lockedUntil } = await repository.countAttempt(db, key, clock.now(), rules)
      if (lockedUntil !== undefined) {
        throw refusal('locked', proofLocked({ retryAfterSeconds: secondsUntil(lockedUntil) }), true)
      }
      const result = await work().catch(async (error: unknown) => {
        await repository.undoAttempt(db, key, false)
        throw error
      })
      if (isRight(result)) await repository.clearAttempts(db, key)
      metrics.count(isRight(result) ? 'right' : 'wrong')
      return result
    })
  }

  return {
    /**
     * Runs `work` if the attempt is allowed. `isWrong` recognises a wrong password. `onLock` runs
     * at a lock. Throws an error of `limits/errors.ts`, the busy error, or an error of `work`.
     */
    attempt,

    /**
     * The same for a password that is checked again. Throws `proof_locked`, the busy error, or an
     * error of `work`.
     */
    attemptPasswordCheck,

    /** The key of an attempt's rate limit: the typed email, or the known browser of its account. */
    countedAs: async (email: string, browserToken: string | undefined): Promise<string> => {
      const { key, isKnownBrowser } = await counterOf({ identifier: email, browserToken })
      return isKnownBrowser ? `known browser ${key.toString('hex')}` : email.trim()
    },

    /** Whether the next attempt after this failure needs a CAPTCHA. */
    needsCaptcha: (error: unknown): boolean =>
      typeof error === 'object' && error !== null && needsCaptchaNext.has(error),

    /**
     * Stores a browser that signed in. Returns `new` for a new browser if the account has others,
     * `reset` without a write for an earlier generation, otherwise `known`.
     */
    rememberBrowser: async (
      tx: Tx,
      token: string,
      { id, email, emailProblem, generation }: BrowserOwner,
    ): Promise<'new' | 'known' | 'reset'> => {
      if (emailProblem !== undefined) return 'known'
      const browser = { key: browserKey(token, email), accountId: id, generation, at: clock.now() }
      return repository.putKnownBrowser(tx, browser, maxKnownBrowsers)
    },

    /** After a reset of the account, only the browser that requested it stays known. */
    onAccountReset: (async (tx, accountId, { preserved: { knownBrowser }, end: { generation, knownToken } }) => {
      const preserved = knownBrowser &&
        knownToken !== undefined && {
          key: browserKey(knownToken, knownBrowser.email),
          generation,
          at: clock.now(),
        }
      await repository.deleteKnownBrowsers(tx, accountId, preserved || undefined)
    }) satisfies AccountResetHandler,

    /** When the account loses its email: browsers are known by the email, so all become unknown. */
    clearKnownBrowsers: (tx: Tx, accountId: string): Promise<void> =>
      repository.deleteKnownBrowsers(tx, accountId, undefined),

    /** After a new password, failures of the old one no longer count. */
    clear: async (tx: Queryable, { id, email, emailProblem }: EmailOwner): Promise<void> => {
      // Attempts at the email count for the account that has it now.
      if (emailProblem === undefined) await repository.clearAttempts(tx, identifierKey(email))
      await repository.clearBrowserAttempts(tx, id)
    },

    /** Deletes the failures of the networks of this IP address. Returns whether there were any. */
    clearNetworkFailures: async (tx: Tx, ip: string): Promise<boolean> =>
      (await repository.deleteNetworkFailures(tx, ipKeys(ip))) > 0,

    /** Deletes expired rows. Returns their number. */
    sweep: (): Promise<number> => {
      const now = clock.now()
      const ages = {
        countsBefore: now - 2 * dayMs,
        networksBefore: now - dayMs,
        browsersBefore: now - knownBrowserMs,
      }
      return repository.sweep(db, ages, sweepBatchSize)
    },
  }
}
