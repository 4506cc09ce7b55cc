/**
 * Email links: created at sending, stored as a digest, valid once for one purpose and one email.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Queryable, Tx } from '../database/database.ts'
import { AppError } from '../errors.ts'
import type { Random } from '../random.ts'
import { linkExpired } from './errors.ts'
import type { EmailLink, EmailLinkPurpose, EmailLinkTarget } from './repository.ts'
import * as repository from './repository.ts'

export type { EmailLink, EmailLinkPurpose, EmailLinkTarget } from './repository.ts'
export type EmailLinks = ReturnType<typeof createEmailLinks>

type Deps = { db: Queryable; clock: Clock; random: Random }

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

type EmailLinkRule = {
  lifetimeMs: number
  /** The maximum number of emails with such a link in the window, for each account. */
  most: number
  windowMs: number
  /**
   * `begin` counts the request and revokes the earlier link, so that emails to other accounts
   * count.
   */
  isCountedAtRequest?: true
}
const emailLinkRules: Readonly<Record<EmailLinkPurpose, EmailLinkRule>> = {
  verify: { lifetimeMs: dayMs, most: 5, windowMs: hourMs },
  recover: { lifetimeMs: 30 * minuteMs, most: 3, windowMs: hourMs },
  change_email: { lifetimeMs: dayMs, most: 5, windowMs: hourMs, isCountedAtRequest: true },
  invite: { lifetimeMs: 7 * dayMs, most: 20, windowMs: hourMs },
  reset_factors: { lifetimeMs: dayMs, most: 3, windowMs: hourMs },
  // Not a link: a notification that any stranger can cause.
  notice: { lifetimeMs: hourMs, most: 3, windowMs: hourMs },
  // The row is kept as long as it counts.
  new_browser: { lifetimeMs: dayMs, most: 5, windowMs: dayMs },
}

const form = /^[\w-]{43}$/
const sweepBatchSize = 1000
/** Access to the mailbox must not be enough to guess a password. */
const maxAttempts = 5

export function createEmailLinks({ db, clock, random }: Deps) {
  return {
    /**
     * Creates a link that replaces the earlier one. Returns its token, or undefined when the limit
     * is reached or the account was reset after the request (`link.generation`).
     * `isRepetition`: a retry of the same email, which does not count.
     * `askedAtMs`: the time of the request after `begin`. A link requested later stays valid.
     */
    mint: async (
      tx: Tx,
      purpose: EmailLinkPurpose,
      { accountId, email, generation }: EmailLinkTarget,
      isRepetition: boolean,
      askedAtMs?: number,
    ): Promise<string | undefined> => {
      const token = random.token()
      const { lifetimeMs, most, windowMs, isCountedAtRequest } = emailLinkRules[purpose]
      const at = clock.now()
      // Stores the time of the request, so that a delayed email does not replace a newer link.
      const createdAt = isCountedAtRequest && askedAtMs !== undefined ? askedAtMs : at
      const isMade = await repository.putLink(tx, {
        accountId,
        email,
        generation: generation ?? null,
        purpose,
        digest: digestOf(purpose, token),
        at: createdAt,
        expiresAt: at + lifetimeMs,
        countedSince: at - windowMs,
        most,
        weight: isRepetition || isCountedAtRequest ? 0 : 1,
        askedAt: isCountedAtRequest ? createdAt : null,
      })
      return isMade ? token : undefined
    },

    /**
     * Records the request for a link: the earlier one is revoked immediately. Returns whether the
     * email is within the limit.
     */
    begin: (
      tx: Tx,
      purpose: EmailLinkPurpose,
      { accountId, email, generation }: EmailLink,
      askedAtMs: number,
    ): Promise<boolean> => {
      const { lifetimeMs, most, windowMs } = emailLinkRules[purpose]
      return repository.beginLink(tx, {
        accountId,
        email,
        generation,
        purpose,
        at: askedAtMs,
        expiresAt: askedAtMs + lifetimeMs,
        countedSince: askedAtMs - windowMs,
        most,
      })
    },

    /** Returns the link if it is valid. Changes nothing. Throws `link_expired`. */
    get: async (purpose: EmailLinkPurpose, token: string): Promise<EmailLink> => {
      const link = form.test(token)
        ? await repository.findLink(db, purpose, digestOf(purpose, token), clock.now())
        : undefined
      if (!link) throw linkExpired()
      return link
    },

    /**
     * Checks a password on the page of a link. Counts the attempt first, but not a server error
     * (503).
     * Returns undefined when no attempt is left. Throws the errors of `compare`.
     */
    tryPassword: async <T>(
      purpose: EmailLinkPurpose,
      token: string,
      compare: () => Promise<T>,
    ): Promise<T | undefined> => {
      const digest = digestOf(purpose, token)
      if (!(await repository.countAttempt(db, purpose, digest, maxAttempts))) return undefined
      try {
        return await compare()
      } catch (error) {
        if (error instanceof AppError && error.status === 503) await repository.undoAttempt(db, purpose, digest)
        throw error
      }
    },

    /** Spends the link. Only the first call succeeds; the others throw `link_expired`. */
    spend: async (tx: Tx, purpose: EmailLinkPurpose, token: string): Promise<EmailLink> => {
      const link = form.test(token)
        ? await repository.takeLink(tx, purpose, digestOf(purpose, token), clock.now())
        : undefined
      if (!link) throw linkExpired()
      return link
    },

    /** Throws `link_expired`, for callers that find that the account has changed. */
    refuse: (): never => {
      throw linkExpired()
    },

    /** Revokes the account's links of these purposes, or all of them. */
    end: (tx: Tx, accountId: string, purposes?: readonly EmailLinkPurpose[]): Promise<void> =>
      repository.endLinks(tx, accountId, purposes),

    /** Deletes expired rows. Returns their number. */
    sweep: (): Promise<number> => repository.deleteOldLinks(db, clock.now() - hourMs, sweepBatchSize),
  }
}

// A token is valid for one purpose only: a verification link cannot set a new password.
const digestOf = (purpose: EmailLinkPurpose, token: string): Buffer =>
  createHash('sha256').update(`latchkey link ${purpose}\0${token}`).digest()
