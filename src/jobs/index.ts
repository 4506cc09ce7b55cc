/** The periodic duties: one list. Each runs in one process of the cluster at a time; the queue makes it due. */
import type { Knex } from 'knex'
import type { Rotation } from '../../keys/rotation.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { deleteAccounts } from './duties/delete-accounts.ts'
import { forgetFailedJobs } from './duties/forget-failed-jobs.ts'
import { sendFactorResets } from './duties/send-factor-resets.ts'
import { settleMailboxes } from './duties/settle-mailboxes.ts'
import { sweepArtifacts } from './duties/sweep-artifacts.ts'
import { sweepEnded } from './duties/sweep-ended.ts'
import { sweepGuesses } from './duties/sweep-guesses.ts'
import { sweepLimits } from './duties/sweep-limits.ts'
import { sweepLinks } from './duties/sweep-links.ts'
import { sweepLogins } from './duties/sweep-logins.ts'
import { sweepLogoutDeliveries } from './duties/sweep-logout-deliveries.ts'
import { sweepSessions } from './duties/sweep-sessions.ts'
import { turnKeyRing } from './duties/turn-key-ring.ts'
import type { ScheduledTask } from './queue.ts'

export type DutyDeps = {
  artifacts: {
    sweep: (limit: number) => Promise<number>
    trimSpent: (isStopped: () => boolean) => Promise<number>
    removeLeftovers: (isStopped: () => boolean) => Promise<void>
  }
  logout: { sweep: (limit: number) => Promise<number>; wakeOverdue: () => Promise<void> }
  rotation: Pick<Rotation, 'turn'>
  limits: { sweep: () => Promise<number> }
  links: { sweep: () => Promise<number> }
  loginSteps: { sweep: () => Promise<number> }
  sessions: { sweep: () => Promise<number> }
  guesses: { sweep: () => Promise<number> }
  captcha: { sweep: () => Promise<number> }
  passkeys: { sweep: () => Promise<number> }
  leaving: { deleteDue: () => Promise<number> }
  factorResets: { sendDue: () => Promise<number>; sweep: () => Promise<number> }
  mailboxes: { run: () => Promise<number> }
  knex: Knex
  clock: Clock
  log: Log
}

export type Duty = {
  name: string
  /** From the end of one turn to the next. */
  everySeconds: number
  run: (deps: DutyDeps, signal: AbortSignal) => Promise<void>
}

export const duties: readonly Duty[] = [
  sweepArtifacts,
  sweepEnded,
  sweepLinks,
  sweepLogins,
  sweepGuesses,
  sweepSessions,
  deleteAccounts,
  sendFactorResets,
  settleMailboxes,
  sweepLimits,
  turnKeyRing,
  sweepLogoutDeliveries,
  forgetFailedJobs,
]

/** The duties with what they need, as the queue's `start` takes them. */
export const bindDuties = (deps: DutyDeps): readonly ScheduledTask[] =>
  duties.map(({ run, ...duty }) => ({ ...duty, run: (signal) => run(deps, signal) }))
