/**
 * The reset of second factors by email: requested in a sign-in, notified immediately, stopped from
 * any session, and executed after a day.
 */
import type { Account } from '../accounts/account.ts'
import type { Audit } from '../audit/service.ts'
import type { AccountResetHandler } from '../authentication/account-reset-types.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { EmailIntent } from '../email/intent.ts'
import type { EmailLinks } from '../email-links/service.ts'
import type { Origin } from '../origin.ts'
import { factorResetRefused } from './errors.ts'
import type { FactorOwner } from './method.ts'
import type { ResetMetrics } from './metrics.ts'
import type { FactorReset } from './reset-repository.ts'
import * as repository from './reset-repository.ts'
import type { Factors } from './service.ts'

type Deps = {
  db: Queryable
  factors: Pick<Factors, 'removeAllFactors' | 'listAdded'>
  emailLinks: Pick<EmailLinks, 'get' | 'spend' | 'end' | 'refuse'>
  /** Throws `account_reset` when `generation` is not the current one. */
  lockAccount: (tx: Tx, accountId: string, generation?: number) => Promise<Account>
  /** Whether emails are delivered. */
  canSendEmail: boolean
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
  metrics: ResetMetrics
}

export type FactorResets = ReturnType<typeof createFactorResets>

const dayMs = 24 * 60 * 60_000
/** In this time the user can stop the reset. */
const waitMs = dayMs
/** How long it stays open after its due time: a day for the email, and a day for its link. */
const openMs = 2 * dayMs
/** The link removes only factors younger than this. An operator must remove older ones. */
const maxFactorAgeMs = 30 * dayMs
const batchSize = 100

export function createFactorResets(deps: Deps) {
  const { db, factors, emailLinks, lockAccount, sendEmail, transaction, audit, clock, metrics } = deps

  /** Whether each factor the account ever had was enrolled in the 30 days before the request. */
  async function assess(within: Queryable, accountId: string, requestedAt: number) {
    const found = await factors.listAdded(accountId, within)
    const enrolledAt = [...(await repository.listHistory(within, accountId)), ...found.map(({ addedAt }) => addedAt)]
    const isRecent = (addedAt: number) => addedAt >= requestedAt - maxFactorAgeMs && addedAt <= requestedAt
    return { factors: found, isAllowed: found.length > 0 && enrolledAt.every(isRecent) }
  }

  const stop = (owner: FactorOwner, origin: Origin): Promise<void> =>
    transaction(async (tx) => {
      const { accountId, generation } = owner
      await lockAccount(tx, accountId, generation)
      if (!(await repository.deleteReset(tx, owner))) return
      await emailLinks.end(tx, accountId, ['reset_factors'])
      await audit.recordOwn(tx, { action: 'factor.reset_stopped', accountId, origin })
      metrics.count('stopped')
    })

  const pending = (owner: FactorOwner): Promise<FactorReset | undefined> => repository.findReset(db, owner, clock.now())

  return {
    /** Whether a sign-in offers a reset. The link goes to a verified email address. */
    isOffered: ({ isEmailVerified }: Pick<Account, 'isEmailVerified'>): boolean => deps.canSendEmail && isEmailVerified,

    /** The pending request, or undefined. */
    pending,

    /** The factors, whether a link may remove them, and the pending request. Changes nothing. */
    show: async ({ id, generation }: Pick<Account, 'id' | 'generation'>) => {
      const waiting = await pending({ accountId: id, generation })
      return { ...(await assess(db, id, waiting?.requestedAt ?? clock.now())), waiting }
    },

    /**
     * For callers that verified the password in this generation. A second request changes nothing.
     * Throws `factor_reset_refused`, and `account_reset` in an earlier generation.
     */
    request: (owner: FactorOwner, origin: Origin): Promise<void> =>
      transaction(async (tx) => {
        const { accountId, generation } = owner
        await lockAccount(tx, accountId, generation)
        const requestedAt = clock.now()
        const assessment = await assess(tx, accountId, requestedAt)
        if (!assessment.isAllowed) throw factorResetRefused()
        const dueAt = requestedAt + waitMs
        const row = { accountId, generation, requestedAt, dueAt, expiresAt: dueAt + openMs }
        if (!(await repository.insertReset(tx, row))) return
        await audit.recordOwn(tx, { action: 'factor.reset_requested', accountId, origin })
        await sendEmail(tx, {
          mail: 'factor_reset_requested',
          accountId,
          factors: assessment.factors,
          untilMs: dueAt,
          askedAtMs: requestedAt,
        })
        metrics.count('requested')
      }),

    /** Stops the pending reset, from a session. Throws `account_reset` in an earlier generation. */
    stop,

    /** Stops a pending request, because a sign-in of this generation proved a factor. */
    stopAfterProof: async (owner: FactorOwner, origin: Origin): Promise<void> => {
      if (await pending(owner)) await stop(owner, origin)
    },

    /** The data of the link's page. Changes nothing. Throws `link_expired`. */
    showLink: async (token: string) => {
      const link = await emailLinks.get('reset_factors', token)
      const waiting = await pending(link)
      return waiting ? assess(db, link.accountId, waiting.requestedAt) : emailLinks.refuse()
    },

    /**
     * Removes every factor and ends all sessions.
     * Throws `link_expired` or `factor_reset_refused`, without any change.
     */
    execute: (token: string, origin: Origin): Promise<void> =>
      transaction(async (tx) => {
        const link = await emailLinks.spend(tx, 'reset_factors', token)
        const { accountId } = link
        const account = await lockAccount(tx, accountId, link.generation)
        const requestedAt = await repository.takeDueReset(tx, link, clock.now())
        if (requestedAt === undefined || account.isDisabled) return emailLinks.refuse()
        if (!(await assess(tx, accountId, requestedAt)).isAllowed) throw factorResetRefused()
        await factors.removeAllFactors(tx, { accountId, by: { actor: { type: 'account', id: accountId }, origin } })
        await audit.recordOwn(tx, { action: 'factor.reset_done', accountId, origin })
        metrics.count('done')
      }),

    /** Sends the email with the link for requests that are due. Returns their number. */
    sendDue: async (): Promise<number> => {
      const due = await repository.listDue(db, clock.now(), batchSize)
      for (const owner of due) {
        await transaction(async (tx) => {
          const askedAtMs = clock.now()
          if (!(await repository.markLinkAsked(tx, owner, askedAtMs))) return
          const found = await factors.listAdded(owner.accountId, tx)
          await sendEmail(tx, {
            mail: 'factor_reset_due',
            accountId: owner.accountId,
            generation: owner.generation,
            factors: found,
            askedAtMs,
          })
        })
      }
      return due.length
    },

    /** Deletes expired requests. Returns their number. */
    sweep: (): Promise<number> => repository.deleteExpiredResets(db, clock.now(), batchSize),

    /** A reset of the account deletes the request. */
    onAccountReset: (async (tx, accountId) => {
      await repository.deleteAnyReset(tx, accountId)
    }) satisfies AccountResetHandler,
  }
}
