/** The next step of a login: done, a factor of the account to prove, or a factor to set up. */
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Level } from '../authentication/levels.ts'
import { isAtLeast, strongest } from '../authentication/levels.ts'
import type { Clock } from '../clock.ts'
import type { FactorFailures } from './failures.ts'
import type { MethodId, MfaMethod } from './methods/index.ts'
import type { Progress } from './progress-repository.ts'
import { amrOf, levelOf } from './proof.ts'
import type { RememberedBrowsers } from './remembered.ts'
import type { Factors } from './service.ts'
import type { CompletedLogin, LoginContext, Step, StepRequest } from './step.ts'

type Deps = {
  accounts: Pick<Accounts, 'readById'>
  factors: Pick<Factors, 'listEnrolled' | 'isAdministrator' | 'requiresFactor'>
  methods: readonly MfaMethod[]
  failures: Pick<FactorFailures, 'listDisabled'>
  refusePendingDeletion: (account: Account, clientId: string) => void
  clock: Clock
}

/** A factor is set up only within this time after the login began (OWASP ASVS 7.5.1). */
const freshForMs = 5 * 60_000

const done = (account: Account, { proven, provenAtMs }: Progress): CompletedLogin => ({
  kind: 'done',
  account,
  level: levelOf(proven),
  amr: amrOf(proven),
  authTimeMs: provenAtMs,
})

export function createNextStep(deps: Deps, remembered: Pick<RememberedBrowsers, 'isRemembered'>) {
  const { accounts, factors, methods, failures, clock } = deps

  /** The level that the login must reach, and the factors for it. */
  async function targetOf(account: Account, { demand }: StepRequest, { rememberedToken }: LoginContext) {
    const enrolled = await factors.listEnrolled(account.id)
    const reach = strongest(...enrolled.map((id) => levelOf(['password', id])))
    const isRequired = factors.requiresFactor(account)
    // A remembered browser needs no factor, except for administrators. It does not satisfy the
    // demand of a client.
    const isSpared = !factors.isAdministrator(account) && (await remembered.isRemembered(account, rememberedToken))
    const wanted: Level[] = []
    if (demand.isEssential || isAtLeast(reach, demand.level)) wanted.push(demand.level)
    if (isRequired && !isSpared) wanted.push('multi_factor')
    if (enrolled.length > 0 && !isSpared) wanted.push('multi_factor')
    return { enrolled, reach, target: strongest(...wanted) }
  }

  async function substitutesOf(accountId: string): Promise<MethodId[]> {
    const found = await Promise.all(
      methods
        .filter((method) => method.isSubstitute)
        .map(async (method) => (await method.listAddedAt(accountId)).length > 0 && method.id),
    )
    return found.filter((id) => id !== false)
  }

  /** Returns undefined when the login must start again. */
  return async function nextOf(
    progress: Progress,
    request: StepRequest,
    loginContext: LoginContext,
  ): Promise<Step | undefined> {
    const account = await accounts.readById(progress.accountId)
    if (!account || account.isDisabled || account.generation !== progress.generation) return undefined
    deps.refusePendingDeletion(account, request.clientId)
    const { enrolled, reach, target } = await targetOf(account, request, loginContext)
    const level = levelOf(progress.proven)
    if (isAtLeast(level, target)) return done(account, progress)
    // Before a stronger factor is set up, the login requires the existing factor:
    // a password alone must not be enough to add one.
    const goal = isAtLeast(reach, target) ? target : 'multi_factor'
    if (enrolled.length > 0 && !isAtLeast(level, goal)) {
      const fit = enrolled.filter((id) => isAtLeast(levelOf(['password', id]), goal))
      const substitutes = goal === 'multi_factor' ? await substitutesOf(account.id) : []
      const mayRemember = !factors.isAdministrator(account) && request.demand.level === 'password'
      const disabled = await failures.listDisabled(account.id)
      return {
        kind: 'factor',
        account,
        methods: [...fit, ...substitutes].filter((id) => !disabled.includes(id)),
        disabled: [...fit, ...substitutes].filter((id) => disabled.includes(id)),
        mayRemember,
      }
    }
    if (clock.now() - progress.provenAtMs > freshForMs) return undefined
    const fit = methods.filter(({ enrolment, level }) => enrolment && isAtLeast(level, target))
    return { kind: 'enrol', account, level: target, methods: fit.map(({ id }) => id) }
  }
}
