/** Second factors at the sign-in and on the account page, and their reset by email. */
import type { AccountRecords } from '../accounts/records.ts'
import type { Tx } from '../database/database.ts'
import { batchDuty } from '../jobs/duty.ts'
import type { Metrics } from '../metrics.ts'
import type { Endings } from '../revocation/endings.ts'
import { factorAccountRoutes } from './account-routes.ts'
import { createFactorFailures } from './failures.ts'
import type { createMethods } from './methods/index.ts'
import { measureFactors, measureResets } from './metrics.ts'
import { createRememberedCookie } from './remembered-cookie.ts'
import { createFactorResets } from './reset.ts'
import { factorResetRoutes } from './reset-routes.ts'
import { createFactorPages } from './routes.ts'
import { createFactors } from './service.ts'
import { createLoginSteps } from './steps.ts'

export { createMethods, factorViews } from './methods/index.ts'
export { passkeyFiles } from './methods/passkey/files.ts'
export { rememberedMs } from './remembered.ts'

type FactorsDeps = Parameters<typeof createFactors>[0]
type ResetDeps = Parameters<typeof createFactorResets>[0]
type StepsDeps = Parameters<typeof createLoginSteps>[0]

type Deps = Pick<FactorsDeps, 'accounts' | 'resetAccount' | 'administratorRoles' | 'sendEmail'> &
  Pick<ResetDeps, 'db' | 'emailLinks' | 'canSendEmail'> &
  Pick<StepsDeps, 'refusePendingDeletion' | 'transaction' | 'audit' | 'clock' | 'random'> & {
    /** The result of `createMethods`. */
    factorMethods: ReturnType<typeof createMethods>
    records: Pick<AccountRecords, 'lock' | 'setFactorRequired'>
    endings: Pick<Endings, 'register'>
    metrics: Metrics
    issuer: string
  }

type SignInDeps = Pick<Parameters<typeof createFactorPages>[0], 'interactions' | 'finishLogin' | 'views'>
type AccountPageDeps = Pick<Parameters<typeof factorAccountRoutes>[0], 'frameOf' | 'views'>

export function createMfaFeature(deps: Deps) {
  const { db, transaction, audit, clock, random, accounts, records, emailLinks, sendEmail, resetAccount, endings } =
    deps
  const { methods, recoveryCodes, passkeys } = deps.factorMethods
  const lockAccount = async (tx: Tx, accountId: string, generation?: number) =>
    (await records.lock(tx, accountId, generation)).account
  const failures = createFactorFailures({ db, sendEmail, transaction, audit, clock })
  const factors = createFactors({
    methods,
    recoveryCodes,
    accounts,
    failures,
    transaction,
    audit,
    clock,
    sendEmail,
    lockAccount,
    resetAccount,
    setFactorRequired: records.setFactorRequired,
    administratorRoles: deps.administratorRoles,
  })
  const factorResets = createFactorResets({
    db,
    factors,
    emailLinks,
    lockAccount,
    canSendEmail: deps.canSendEmail,
    sendEmail,
    transaction,
    audit,
    clock,
    metrics: measureResets(deps.metrics),
  })
  const loginSteps = createLoginSteps({
    db,
    transaction,
    audit,
    accounts,
    factors,
    failures,
    methods,
    clock,
    random,
    refusePendingDeletion: deps.refusePendingDeletion,
    endReset: factorResets.stopAfterProof,
    metrics: measureFactors(deps.metrics),
  })
  const rememberedCookie = createRememberedCookie({ issuer: deps.issuer })

  endings.register('accountReset', 'factorResets', factorResets.onAccountReset)
  endings.register('accountReset', 'signIns', loginSteps.onAccountReset)
  endings.register('accountSignOut', 'signIns', loginSteps.endSignIns)
  endings.register('accountHandover', 'factors', factors.removeAtHandover)

  return {
    factors,
    factorResets,
    loginSteps,
    rememberedCookie,
    duties: [
      // Every hour: delete unfinished sign-ins, and expired remembered browsers and challenges.
      batchDuty('sweep-logins', 3600, async () => (await loginSteps.sweep()) + (await passkeys.sweep())),
      // Every minute: email the links of resets that are due, and delete expired requests.
      batchDuty('send-factor-resets', 60, async () => (await factorResets.sendDue()) + (await factorResets.sweep())),
    ],
    createSignInPages: ({ interactions, finishLogin, views }: SignInDeps) => {
      const pages = createFactorPages({
        interactions,
        steps: loginSteps,
        factors,
        finishLogin,
        views,
        methods,
        remembered: rememberedCookie,
        offersReset: factorResets.isOffered,
      })
      const resets = factorResetRoutes({ interactions, stepOf: pages.stepOf, resets: factorResets, views })
      return { ...pages, routes: [...pages.routes, ...resets] }
    },
    createAccountRoutes: ({ frameOf, views }: AccountPageDeps) =>
      factorAccountRoutes({ frameOf, factors, methods, steps: loginSteps, views }),
  }
}
