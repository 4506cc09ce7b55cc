/** The account page, where users see and change their account, and the deletion of accounts. */
import type { Context } from 'koa'
import { batchDuty } from '../jobs/duty.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import type { Settings } from '../settings/service.ts'
import { accessRoutes } from './access-routes.ts'
import { createApplications } from './applications.ts'
import { createDataExport } from './data-export.ts'
import { dataRoutes } from './data-routes.ts'
import { createAccountDeletion } from './deletion.ts'
import { createCallerOf, frameOf } from './frame.ts'
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
export { createFindForClient } from './deletion.ts'
export { frameOf } from './frame.ts'

type ChangesDeps = Parameters<typeof createAccountChanges>[0]
type Deps = Omit<ChangesDeps, 'attemptPasswordCheck' | 'clearFailedLogins'> &
  Omit<Parameters<typeof createAccountDeletion>[0], 'changes'> &
  Parameters<typeof createSetEmail>[0] & {
    loginThrottle: {
      attemptPasswordCheck: ChangesDeps['attemptPasswordCheck']
      clear: ChangesDeps['clearFailedLogins']
    }
  }

export function createAccountFeature(deps: Deps) {
  const {
    db,
    accounts,
    records,
    emailLinks,
    passwords,
    checkPassword,
    loginThrottle,
    passwordCheckLimit,
    settings,
    issuer,
  } = deps
  const { sendEmail, resetAccount, transaction, audit, clock } = deps
  const accountChanges = createAccountChanges({
    accounts,
    records,
    emailLinks,
    passwords,
    checkPassword,
    sendEmail,
    resetAccount,
    attemptPasswordCheck: loginThrottle.attemptPasswordCheck,
    passwordCheckLimit,
    clearFailedLogins: loginThrottle.clear,
    transaction,
    audit,
    clock,
  })
  const accountDeletion = createAccountDeletion({
    db,
    changes: accountChanges,
    records,
    settings,
    sendEmail,
    resetAccount,
    issuer,
    transaction,
    audit,
    clock,
  })
  return {
    accountChanges,
    setEmail: createSetEmail({ records, sendEmail, resetAccount, transaction, audit, clock }),
    accountDeletion,
    // Every ten minutes: delete accounts after their grace period.
    duties: [batchDuty('delete-accounts', 600, accountDeletion.deleteDue)],
  }
}

type GuardDeps = Omit<Parameters<typeof createSessionGuard>[0], 'countForm'>

/** The guard of every route that needs a session. */
export const createAccountGuard = ({
  rateLimiter,
  ...deps
}: GuardDeps & { rateLimiter: Pick<RateLimiter, 'countIdentifier'> }) =>
  createSessionGuard({
    ...deps,
    countForm: (ctx: Context, accountId) => rateLimiter.countIdentifier(ctx, 'account', accountId),
  })

type RouteDeps = Omit<Parameters<typeof accountRoutes>[0], 'changes' | 'sessions'> &
  Parameters<typeof createApplications>[0] &
  Omit<Parameters<typeof createDataExport>[0], 'applications'> &
  Parameters<typeof createProfileChanges>[0] & {
    sessionGuard: Parameters<typeof overviewRoutes>[0]['sessionGuard']
    sessions: Parameters<typeof accessRoutes>[0]['sessions']
    accountSessions: Parameters<typeof accountRoutes>[0]['sessions'] &
      Parameters<typeof accessRoutes>[0]['accountSessions']
    accountChanges: ReturnType<typeof createAccountChanges>
    accountDeletion: ReturnType<typeof createAccountDeletion>
    settings: Pick<Settings, 'get'>
    factorRoutes: ReturnType<typeof accessRoutes>
  }

const daySeconds = 86_400

/** All account pages. `factorRoutes` are those of the second factors. */
export function createAccountRoutes(deps: RouteDeps) {
  const { accountChanges: changes, accountSessions, sessions, browserOf, renewCookies, views, settings } = deps
  const { accounts, records, transaction, consents, clients, revocation, audit, factors, document } = deps
  const applications = createApplications({ consents, clients, revocation })
  const callerOf = createCallerOf(browserOf)
  return [
    ...accountRoutes({ changes, sessions: accountSessions, browserOf, renewCookies, views }),
    ...overviewRoutes({ sessionGuard: deps.sessionGuard, frameOf, views }),
    ...profileRoutes({ frameOf, views, profile: createProfileChanges({ accounts, records, transaction }) }),
    ...securityRoutes({ frameOf, callerOf, renewCookies, views, changes }),
    ...deps.factorRoutes,
    ...accessRoutes({ frameOf, sessions, accountSessions, applications, views }),
    ...dataRoutes({
      frameOf,
      callerOf,
      renewCookies,
      dataExport: createDataExport({ audit, sessions, applications, factors, document }),
      accountDeletion: deps.accountDeletion,
      views,
      graceDays: () => Math.ceil(settings.get().accountDeletionSeconds / daySeconds),
    }),
  ]
}
