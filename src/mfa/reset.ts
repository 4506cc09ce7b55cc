/** The reset of second factors by mail: asked for in a sign-in, told at once, stopped in any session, and carried out a day later. */
import type { Account } from '../accounts/account.ts'
import type { Audit } from '../audit/service.ts'
import type { AccountEnding } from '../authentication/account-reset.ts'
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
  factors: Pick<Factors, 'dropAll' | 'listAdded'>
  emailLinks: Pick<EmailLinks, 'get' | 'spend' | 'end' | 'refuse'>
  /** Throws `account_reset` when `generation` is over. */
  lockAccount: (tx: Tx, accountId: string, generation?: number) => Promise<Account>
  /** Whether email reaches anybody. */
  canSendEmail: boolean
  sendEmail: (tx: Tx, intent: EmailIntent) => Promise<void>
  transaction: Transaction
  audit: Audit
  clock: Clock
  metrics: ResetMetrics
}

export type FactorResets = ReturnType<typeof createFactorResets>

const dayMs = 24 * 60 * 60_000
/** In which the owner can stop it. */
const waitMs = dayMs
/** From the moment at which it may be carried out: the email may take a day, and its link lives for one. */
const openMs = 2 * dayMs
/** Older factors are the owner's: only an operator takes them away. */
const youngMs = 30 * dayMs
const atOnce = 100

export function createFactorResets(deps: Deps) {
  const { db, factors, emailLinks, lockAccount, sendEmail, transaction, audit, clock, metrics } = deps

  /** Whether every factor that the account has or ever had was enrolled in the 30 days before the request. */
  async function judge(within: Queryable, accountId: string, requestedAt: number) {
    const found = await factors.listAdded(accountId, within)
    const moments = [...(await repository.listHistory(within, accountId)), ...found.map(({ addedAt }) => addedAt)]
    const isYoung = (addedAt: number) => addedAt >= requestedAt - youngMs && addedAt <= requestedAt
    return { factors: found, isAllowed: found.length > 0 && moments.every(isYoung) }
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
    /** Whether a sign-in to this account offers it: the link goes to a proven email address. */
    isOffered: ({ isEmailVerified }: Pick<Account, 'isEmailVerified'>): boolean => deps.canSendEmail && isEmailVerified,

    /** The request that waits, if one does. */
    pending,

    /** The account's factors, whether a link may remove them, and the request that waits. Nothing changes. */
    show: async ({ id, generation }: Pick<Account, 'id' | 'generation'>) => {
      const waiting = await pending({ accountId: id, generation })
      return { ...(await judge(db, id, waiting?.requestedAt ?? clock.now())), waiting }
    },

    /** For callers that have seen the password in this generation. Throws `factor_reset_refused`. A second request changes nothing. */
    request: (owner: FactorOwner, origin: Origin): Promise<void> =>
      transaction(async (tx) => {
        const { accountId, generation } = owner
        await lockAccount(tx, accountId, generation)
        const requestedAt = clock.now()
        const judged = await judge(tx, accountId, requestedAt)
        if (!judged.isAllowed) throw factorResetRefused()
        const dueAt = requestedAt + waitMs
        const row = { accountId, generation, requestedAt, dueAt, expiresAt: dueAt + openMs }
        if (!(await repository.insertReset(tx, row))) return
        await audit.recordOwn(tx, { action: 'factor.reset_requested', accountId, origin })
        await sendEmail(tx, {
          mail: 'factor_reset_requested',
          accountId,
          factors: judged.factors,
          untilMs: dueAt,
          askedAtMs: requestedAt,
        })
        metrics.count('requested')
      }),

    /** In a session of the account. */
    stop,

    /** A factor was proven in a sign-in of this generation: the request is not the owner's, or needed no more. */
    endProven: async (owner: FactorOwner, origin: Origin): Promise<void> => {
      if (await pending(owner)) await stop(owner, origin)
    },

    /** What the page of the link shows; nothing changes. Throws `link_expired`. */
    showLink: async (token: string) => {
      const link = await emailLinks.get('reset_factors', token)
      const waiting = await pending(link)
      return waiting ? judge(db, link.accountId, waiting.requestedAt) : emailLinks.refuse()
    },

    /** Removes every factor, and ends all sessions. Throws `link_expired`, `factor_reset_refused`; nothing has changed then. */
    execute: (token: string, origin: Origin): Promise<void> =>
      transaction(async (tx) => {
        const link = await emailLinks.spend(tx, 'reset_factors', token)
        const { accountId } = link
        const account = await lockAccount(tx, accountId, link.generation)
        const requestedAt = await repository.takeDueReset(tx, link, clock.now())
        if (requestedAt === undefined || account.isDisabled) return emailLinks.refuse()
        if (!(await judge(tx, accountId, requestedAt)).isAllowed) throw factorResetRefused()
        await factors.dropAll(tx, { accountId, by: { actor: { type: 'account', id: accountId }, origin } })
        await audit.recordOwn(tx, { action: 'factor.reset_done', accountId, origin })
        metrics.count('done')
      }),

    /** Asks for the email with the link where the day is over; gives how many. */
    sendDue: async (): Promise<number> => {
      const due = await repository.listDue(db, clock.now(), atOnce)
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

    /** Removes requests that are over; gives how many. */
    sweep: (): Promise<number> => repository.deleteExpiredResets(db, clock.now(), atOnce),

    /** With a reset of the account the request is over. */
    endAccount: (async (tx, accountId) => {
      await repository.deleteAnyReset(tx, accountId)
    }) satisfies AccountEnding,
  }
}
