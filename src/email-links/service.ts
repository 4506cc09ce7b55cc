/**
 * Email links: created when the email is sent, stored as a digest, valid once, for one purpose and
 * one email address.
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
  /** How many emails with one a person gets in the window (resets 3/h per account). */
  most: number
  windowMs: number
  /** Counted and begun by `begin`, because an email to another account's owner is counted as well. */
  isBegun?: true
}
const emailLinkRules: Readonly<Record<EmailLinkPurpose, EmailLinkRule>> = {
  verify: { lifetimeMs: dayMs, most: 5, windowMs: hourMs },
  recover: { lifetimeMs: 30 * minuteMs, most: 3, windowMs: hourMs },
  change_email: { lifetimeMs: dayMs, most: 5, windowMs: hourMs, isBegun: true },
  invite: { lifetimeMs: 7 * dayMs, most: 20, windowMs: hourMs },
  reset_factors: { lifetimeMs: dayMs, most: 3, windowMs: hourMs },
  // No link at all: an email about something that any stranger can cause.
  notice: { lifetimeMs: hourMs, most: 3, windowMs: hourMs },
  // The row lives as long as it counts.
  new_browser: { lifetimeMs: dayMs, most: 5, windowMs: dayMs },
}

const form = /^[\w-]{43}$/
const sweepBatchSize = 1000
/** A mailbox alone must not be enough to find out a password by trying. */
const maxAttempts = 5

export function createEmailLinks({ db, clock, random }: Deps) {
  return {
    /**
     * Gives the token of a new link, which ends the one before it; undefined when this person has had too many within the hour, or when
     * the account has been reset since the link was asked for (`link.generation`).
     * `isRepetition`: the same email is tried again and does not count.
     * `askedAtMs`: when a link that `begin` began was asked for; one that was asked for later stays.
     */
    mint: async (
      tx: Tx,
      purpose: EmailLinkPurpose,
      { accountId, email, generation }: EmailLinkTarget,
      isRepetition: boolean,
      askedAtMs?: number,
    ): Promise<string | undefined> => {
      const token = random.token()
      const { lifetimeMs, most, windowMs, isBegun } = emailLinkRules[purpose]
      const at = clock.now()
      // The row keeps the moment of the request, so that a delayed email does not replace a newer one's link.
      const createdAt = isBegun && askedAtMs !== undefined ? askedAtMs : at
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
        weight: isRepetition || isBegun ? 0 : 1,
        askedAt: isBegun ? createdAt : null,
      })
      return isMade ? token : undefined
    },

    /** A link is asked for: the one before it ends at once. Gives whether its email is within the limit. */
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

    /** Whether the link is good, and for whom; nothing changes. Throws `link_expired`. */
    get: async (purpose: EmailLinkPurpose, token: string): Promise<EmailLink> => {
      const link = form.test(token)
        ? await repository.findLink(db, purpose, digestOf(purpose, token), clock.now())
        : undefined
      if (!link) throw linkExpired()
      return link
    },

    /**
     * Compares a password on the page of a link: counted before, and given back when the server could not (503). Gives undefined when no
     * other one may be tried. Throws what `compare` throws.
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

    /** Uses the link up. Throws `link_expired` for everybody but the first. */
    spend: async (tx: Tx, purpose: EmailLinkPurpose, token: string): Promise<EmailLink> => {
      const link = form.test(token)
        ? await repository.takeLink(tx, purpose, digestOf(purpose, token), clock.now())
        : undefined
      if (!link) throw linkExpired()
      return link
    },

    /** Says that a link is over, for whoever finds that its account has moved on. Throws `link_expired`. */
    refuse: (): never => {
      throw linkExpired()
    },

    /** Ends the account's links of these purposes, or all of them. */
    end: (tx: Tx, accountId: string, purposes?: readonly EmailLinkPurpose[]): Promise<void> =>
      repository.endLinks(tx, accountId, purposes),

    /** Removes rows that say nothing any more; gives how many. */
    sweep: (): Promise<number> => repository.deleteOldLinks(db, clock.now() - hourMs, sweepBatchSize),
  }
}

// A token opens one purpose only: a link to confirm an address is no link to a new password.
const digestOf = (purpose: EmailLinkPurpose, token: string): Buffer =>
  createHash('sha256').update(`latchkey link ${purpose}\0${token}`).digest()
