/** The account page: what people see and change of their own account, and its deletion. */
import type { Context } from 'koa'
import { batchDuty } from '../jobs/duty.ts'
import type { Gate } from '../limits/gate.ts'
import type { Settings } from '../settings/service.ts'
import { accessRoutes } from './access-routes.ts'
import { createApplications } from './applications.ts'
import { dataRoutes } from './data-routes.ts'
import { createDossier } from './dossier.ts'
import { createCallerOf, frameOf } from './frame.ts'
import { createLeaving } from './leaving.ts'
import { overviewRoutes } from './overview-routes.ts'
import { createProfileChanges } from './profile.ts'
import { profileRoutes } from './profile-routes.ts'
import { accountRoutes } from './routes.ts'
import { securityRoutes } from './security-routes.ts'
import { createAccountChanges } from './service.ts'
import { createSessionGuard } from './session-guard.ts'
import { createSetEmail } from './set-email.ts'

export { createAccountBrowser } from './browser.ts'
export { accountClientId, createFindClient } from './client.ts'
export { frameOf } from './frame.ts'
export { createFindForClient } from './leaving.ts'

type ChangesDeps = Parameters<typeof createAccountChanges>[0]
type Deps = Omit<ChangesDeps, 'attemptProof' | 'forgetGuesses'> &
  Omit<Parameters<typeof createLeaving>[0], 'changes'> &
  Parameters<typeof createSetEmail>[0] & {
    guesses: { attemptProof: ChangesDeps['attemptProof']; forget: ChangesDeps['forgetGuesses'] }
  }

export function createAccountFeature(deps: Deps) {
  const { db, accounts, records, links, passwords, checkPassword, guesses, proofs, settings, issuer } = deps
  const { sendMail, endAccount, transaction, audit, clock } = deps
  const accountChanges = createAccountChanges({
    accounts,
    records,
    links,
    passwords,
    checkPassword,
    sendMail,
    endAccount,
    attemptProof: guesses.attemptProof,
    proofs,
    forgetGuesses: guesses.forget,
    transaction,
    audit,
    clock,
  })
  const leaving = createLeaving({
    db,
    changes: accountChanges,
    records,
    settings,
    sendMail,
    endAccount,
    issuer,
    transaction,
    audit,
    clock,
  })
  return {
    accountChanges,
    setEmail: createSetEmail({ records, sendMail, endAccount, transaction, audit, clock }),
    leaving,
    // Every ten minutes: accounts whose grace period is over.
    duties: [batchDuty('delete-accounts', 600, leaving.deleteDue)],
  }
}

type GuardDeps = Omit<Parameters<typeof createSessionGuard>[0], 'countForm'>

/** The guard of every route that needs a session. */
export const createAccountGuard = ({ gate, ...deps }: GuardDeps & { gate: Pick<Gate, 'countIdentifier'> }) =>
  createSessionGuard({
    ...deps,
    countForm: (ctx: Context, accountId) => gate.countIdentifier(ctx, 'account', accountId),
  })

type RouteDeps = Omit<Parameters<typeof accountRoutes>[0], 'changes' | 'sessions'> &
  Parameters<typeof createApplications>[0] &
  Omit<Parameters<typeof createDossier>[0], 'applications'> &
  Parameters<typeof createProfileChanges>[0] & {
    sessionGuard: Parameters<typeof overviewRoutes>[0]['sessionGuard']
    sessions: Parameters<typeof accessRoutes>[0]['sessions']
    accountSessions: Parameters<typeof accountRoutes>[0]['sessions'] &
      Parameters<typeof accessRoutes>[0]['accountSessions']
    accountChanges: ReturnType<typeof createAccountChanges>
    leaving: ReturnType<typeof createLeaving>
    settings: Pick<Settings, 'get'>
    factorRoutes: ReturnType<typeof accessRoutes>
  }

const daySeconds = 86_400

/** Every page of the account; `factorRoutes` are those of the second factors. */
export function createAccountRoutes(deps: RouteDeps) {
  const { accountChanges: changes, accountSessions, sessions, browserOf, carryOn, views, settings } = deps
  const { accounts, records, transaction, consents, clients, revocation, audit, factors, document } = deps
  const applications = createApplications({ consents, clients, revocation })
  const callerOf = createCallerOf(browserOf)
  return [
    ...accountRoutes({ changes, sessions: accountSessions, browserOf, carryOn, views }),
    ...overviewRoutes({ sessionGuard: deps.sessionGuard, frameOf, views }),
    ...profileRoutes({ frameOf, views, profile: createProfileChanges({ accounts, records, transaction }) }),
    ...securityRoutes({ frameOf, callerOf, carryOn, views, changes }),
    ...deps.factorRoutes,
    ...accessRoutes({ frameOf, sessions, accountSessions, applications, views }),
    ...dataRoutes({
      frameOf,
      callerOf,
      carryOn,
      dossier: createDossier({ audit, sessions, applications, factors, document }),
      leaving: deps.leaving,
      views,
      graceDays: () => Math.ceil(settings.get().accountDeletionSeconds / daySeconds),
    }),
  ]
}
