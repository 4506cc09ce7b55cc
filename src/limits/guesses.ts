/**
 * Guessing a password: every try is counted before it is verified, in Postgres, for the identifier that was typed; a try that was right is
 * taken back. For its network it counts as pending until it is verified. What follows is the same whether or not the identifier exists.
 */
import { createHmac, createSecretKey } from 'node:crypto'
import type { EndsWithAccount } from '../authentication/account-reset.ts'
import type { Captcha } from '../captcha/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import type { AppError } from '../errors.ts'
import { captchaNeeded, passwordOff, proofLocked, signInLocked, tooManyFailures } from './errors.ts'
import type { GuessMetrics } from './guess-metrics.ts'
import type { Counted } from './guess-repository.ts'
import * as repository from './guess-repository.ts'
import { createTurns } from './turns.ts'

type Deps = {
  db: Queryable
  /** 32 bytes: nobody finds out from a dump who was guessed at. */
  key: Buffer
  /** The one form of an identifier, by which it is counted. */
  normalise: (identifier: string) => string
  /** The prefixes of an address by which it is counted. */
  prefixesOf: (address: string) => readonly string[]
  captcha: Pick<Captcha, 'spend'>
  metrics: GuessMetrics
  /** Far too many tries at once, of one identifier or from one network. */
  busy: () => AppError
  clock: Clock
}

/** The password of somebody who is signed in, asked for once more. It has a count of its own: no stranger can try it. */
export type ProofGuess = Readonly<{ accountId: string }>

/** Who tries what: `browserToken` is the device cookie's, `interaction` what a CAPTCHA is bound to. */
export type Guess = Readonly<{
  identifier: string
  address: string | undefined
  browserToken?: string | undefined
  captcha?: string | undefined
  interaction: string
}>

/** `emailProblem`: the address is no longer the account's. */
type AddressOwner = Readonly<{ id: string; email: string; emailProblem?: string | undefined }>
type BrowserOwner = AddressOwner & Readonly<{ generation: number }>

export type Guesses = ReturnType<typeof createGuesses>

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** SP 800-63B-4 §3.2.2 wants at most 100 failures in a row. */
const rules = { windowMs: 15 * minuteMs, lockAt: 11, lockMs: 15 * minuteMs, doublings: 2, forgetLocksMs: dayMs }
const freeTries = 5
const mostInARow = 100
const addressFree = 20
const addressMost = 100
const browserIsKnownMs = 400 * dayMs
/** Known browsers of one person. */
const mostBrowsers = 50
const mostWaiting = 200
const sweptAtOnce = 1000

export function createGuesses(deps: Deps) {
  const { db, normalise, captcha, metrics, clock } = deps
  const secret = createSecretKey(deps.key)
  const digest = (...parts: readonly string[]) => createHmac('sha256', secret).update(JSON.stringify(parts)).digest()
  const takeTurn = createTurns({
    most: mostWaiting,
    refuse: () => {
      throw deps.busy()
    },
  })
  const asksNext = new WeakSet<object>()
  const failsUnverified = new WeakSet<object>()

  const secondsUntil = (ms: number) => Math.max(1, Math.ceil((ms - clock.now()) / 1000))

  const identifierKey = (identifier: string) => digest('identifier', normalise(identifier))
  const addressKeys = (address: string) => deps.prefixesOf(address).map((one) => digest('address', one))
  const browserKey = (token: string, identifier: string) => digest('browser', token, normalise(identifier))

  /** A browser that has signed in to this account has a path of its own, until it has failed too often: then it is like any other. */
  async function pathOf({
    identifier,
    browserToken,
  }: Pick<Guess, 'identifier' | 'browserToken'>): Promise<{ key: Buffer; isOwn: boolean }> {
    if (browserToken !== undefined) {
      const key = browserKey(browserToken, identifier)
      if (await repository.isKnownBrowser(db, key, clock.now() - browserIsKnownMs)) return { key, isOwn: true }
    }
    return { key: identifierKey(identifier), isOwn: false }
  }

  type Reason = 'locked' | 'off' | 'address' | 'crowded' | 'captcha'
  /** `counts`: nothing is verified, and it is a failure all the same. */
  const refusal = (reason: Reason, error: AppError, counts: boolean): AppError => {
    metrics.count(reason)
    if (counts) failsUnverified.add(error)
    return error
  }

  /** Throws unless the try may be verified. What is refused because of the network alone counts for nothing. */
  async function admit(guess: Guess, isOwn: boolean, own: Counted, network: repository.CountedAddress): Promise<void> {
    if (own.lockedUntil !== undefined) {
      throw refusal('locked', signInLocked({ retryAfterSeconds: secondsUntil(own.lockedUntil) }), true)
    }
    if (own.total > mostInARow) throw refusal('off', passwordOff(), true)
    if (network.hourFailures >= addressMost) {
      const retryAfterSeconds = secondsUntil(network.hourEndsAt)
      throw refusal('address', tooManyFailures({ retryAfterSeconds }), false)
    }
    // Were all of those under way wrong, there would be more failures than are allowed.
    if (network.hourMost > addressMost) throw refusal('crowded', deps.busy(), false)
    const isAskedAlone = !isOwn && own.tries > freeTries
    if (!isAskedAlone && network.quarterFailures < addressFree) return
    if (!(await captcha.spend(guess.captcha, guess.interaction))) {
      const error = captchaNeeded()
      asksNext.add(error)
      throw refusal('captcha', error, isAskedAlone)
    }
  }

  async function attempt<T>(
    guess: Guess,
    work: () => Promise<T>,
    isWrong: (error: unknown) => boolean,
    onLock: () => Promise<void>,
  ) {
    const { key, isOwn } = await pathOf(guess)
    const prefixes = guess.address === undefined ? [] : addressKeys(guess.address)
    return takeTurn(key.toString('hex'), async () => {
      const now = clock.now()
      const own = await repository.countTry(db, key, now, rules)
      const network = await repository.beginAddressTry(db, prefixes, now)
      const endOwn = (isRight: boolean) =>
        isOwn && isRight ? repository.forgetTries(db, key) : repository.takeBackTry(db, key, isRight)
      let result: T
      try {
        if (own.hasJustLocked) await onLock()
        await admit(guess, isOwn, own, network)
        result = await work()
      } catch (error) {
        const isGuess = isWrong(error)
        // What is neither: busy, or the right password of an account that has another step to take.
        const isFailure = isGuess || failsUnverified.has(Object(error))
        const [quarterFailures] = await Promise.all([
          repository.endAddressTry(db, prefixes, isFailure),
          !isFailure && endOwn(false),
        ])
        if (isGuess) {
          metrics.count('wrong')
          if ((!isOwn && own.tries >= freeTries) || quarterFailures >= addressFree) asksNext.add(Object(error))
        }
        throw error
      }
      await Promise.all([repository.endAddressTry(db, prefixes, false), endOwn(true)])
      metrics.count('right')
      return result
    })
  }

  /** Ten tries in a quarter of an hour, and nothing that a page would have to ask. */
  async function attemptProof<T>({ accountId }: ProofGuess, work: () => Promise<T>, isRight: (result: T) => boolean) {
    const key = digest('proof', accountId)
    return takeTurn(key.toString('hex'), async () => {
      const { lockedUntil } = await repository.countTry(db, key, clock.now(), rules)
      if (lockedUntil !== undefined) {
        throw refusal('locked', proofLocked({ retryAfterSeconds: secondsUntil(lockedUntil) }), true)
      }
      const result = await work().catch(async (error: unknown) => {
        await repository.takeBackTry(db, key, false)
        throw error
      })
      if (isRight(result)) await repository.forgetTries(db, key)
      metrics.count(isRight(result) ? 'right' : 'wrong')
      return result
    })
  }

  return {
    /**
     * Does `work`, the verification, if this try may be verified. `isWrong` tells a wrong guess from every other failure; `onLock` is
     * called for the try that locks. Throws `captcha_needed`, `sign_in_locked`, `password_off`, `too_many_failures`, and what `work` throws.
     */
    attempt,

    /** The same for the password of somebody who is signed in. Throws `proof_locked`, and what `work` throws. */
    attemptProof,

    /** What a request limit counts an attempt as: the typed email, or the browser that the account of this email knows. */
    countedAs: async (email: string, browserToken: string | undefined): Promise<string> => {
      const { key, isOwn } = await pathOf({ identifier: email, browserToken })
      return isOwn ? `known browser ${key.toString('hex')}` : email.trim()
    },

    /** Whether the next try after this failure needs a CAPTCHA. */
    needsCaptcha: (error: unknown): boolean => typeof error === 'object' && error !== null && asksNext.has(error),

    /**
     * The browser has signed in to this account, in this generation of it. Gives `new` for a new browser of an account that has others,
     * and `reset` when the generation is over: nothing is written then.
     */
    rememberBrowser: async (
      tx: Tx,
      token: string,
      { id, email, emailProblem, generation }: BrowserOwner,
    ): Promise<'new' | 'known' | 'reset'> => {
      if (emailProblem !== undefined) return 'known'
      const browser = { key: browserKey(token, email), accountId: id, generation, at: clock.now() }
      return repository.putKnownBrowser(tx, browser, mostBrowsers)
    },

    /** With a reset of the account: only the browser that asked for it stays known. */
    endAccount: (async (tx, accountId, { kept: { knownBrowser }, end: { generation, knownToken } }) => {
      const kept = knownBrowser &&
        knownToken !== undefined && {
          key: browserKey(knownToken, knownBrowser.email),
          generation,
          at: clock.now(),
        }
      await repository.endKnownBrowsers(tx, accountId, kept || undefined)
    }) satisfies EndsWithAccount,

    /** The account loses its address: its browsers are known no longer, because they are known under the address. */
    forgetBrowsers: (tx: Tx, accountId: string): Promise<void> => repository.endKnownBrowsers(tx, accountId, undefined),

    /** A new password: what was tried against the old one counts no longer. */
    forget: async (tx: Queryable, { id, email, emailProblem }: AddressOwner): Promise<void> => {
      // What was tried at the address was tried at the account that has it.
      if (emailProblem === undefined) await repository.forgetTries(tx, identifierKey(email))
      await repository.forgetBrowserTries(tx, id)
    },

    /** Failures from the networks of this address count no longer; gives whether there were any. */
    forgetNetwork: async (tx: Tx, address: string): Promise<boolean> =>
      (await repository.forgetAddress(tx, addressKeys(address))) > 0,

    /** Removes rows that limit nobody; gives how many. */
    sweep: (): Promise<number> => {
      const now = clock.now()
      const ages = {
        countsBefore: now - 2 * dayMs,
        addressesBefore: now - dayMs,
        browsersBefore: now - browserIsKnownMs,
      }
      return repository.sweep(db, ages, sweptAtOnce)
    },
  }
}
