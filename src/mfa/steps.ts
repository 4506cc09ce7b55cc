/** The steps of one login: what has been proven in this interaction, what is still asked, and when it is enough. */
import { createHash } from 'node:crypto'
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/service.ts'
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { RequestOrigin } from '../origin.ts'
import type { Random } from '../random.ts'
import type { EndsWithAccount } from '../revocation/account-end.ts'
import { factorLocked, factorNotAsked, factorOff, factorRefused, factorTriesUsed } from './errors.ts'
import type { FactorFailures } from './failures.ts'
import type { FactorOwner } from './method.ts'
import type { MethodId, MfaMethod } from './methods/index.ts'
import type { FactorMetrics } from './metrics.ts'
import type { Progress } from './progress-repository.ts'
import * as repository from './progress-repository.ts'
import type { Level, Proof } from './proof.ts'
import { amrOf, isAtLeast, levelOf, strongest } from './proof.ts'
import type { Factors } from './service.ts'
import type { Asked, Done, Step, Where } from './step.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  audit: Audit
  accounts: Pick<Accounts, 'readById'>
  factors: Pick<Factors, 'enrolled' | 'isAdministrator' | 'mustHave'>
  methods: readonly MfaMethod[]
  failures: FactorFailures
  /** Ends a reset of the account's factors that was asked for: its factor has been proven. */
  endReset: (owner: FactorOwner, origin: RequestOrigin) => Promise<void>
  /** Refuses who has no business at this client. Asked when a login begins and goes on. */
  refuseElsewhere: (account: Account, clientId: string) => void
  metrics: FactorMetrics
  clock: Clock
  random: Random
}

export type LoginSteps = ReturnType<typeof createLoginSteps>

const minuteMs = 60_000
/** From the password to the last factor. */
const progressLivesMs = 10 * minuteMs
const mostInLogin = 5
const window = { windowMs: 15 * minuteMs, most: 10 }
export const rememberedMs = 30 * 24 * 60 * minuteMs
/** A factor is set up only by whoever has just signed in (OWASP ASVS 7.5.1). */
const freshForMs = 5 * minuteMs
const sweptAtOnce = 1000

export function createLoginSteps(deps: Deps) {
  const { db, factors, methods, clock, transaction, audit } = deps

  const lifetime = () => ({ now: clock.now(), expiresAt: clock.now() + progressLivesMs })

  const done = (account: Account, { proven, provenAtMs }: Progress): Done => ({
    kind: 'done',
    account,
    level: levelOf(proven),
    amr: amrOf(proven),
    authTimeMs: provenAtMs,
  })

  /** What is proven so far: in this interaction, or in the session that lacks only a stronger class. */
  async function progressOf({ uid, standing }: Asked): Promise<Progress | undefined> {
    const own = await repository.findProgress(db, keyOf(uid), clock.now())
    if (own || !standing?.amr.includes('pwd')) return own
    const { accountId, generation, authTimeMs } = standing
    return { accountId, generation, proven: ['password'], provenAtMs: authTimeMs }
  }

  /** What the person has to reach, and what with. */
  async function targetOf(account: Account, { demand }: Asked, { rememberedToken }: Where) {
    const enrolled = await factors.enrolled(account.id)
    const reach = strongest(...enrolled.map((id) => levelOf(['password', id])))
    const mustHave = factors.mustHave(account)
    // An administrator's factor is asked for at every login; a demand is met only by a factor of this login.
    const isSpared = !factors.isAdministrator(account) && (await isRemembered(account, rememberedToken))
    const wanted: Level[] = []
    if (demand.isEssential || isAtLeast(reach, demand.level)) wanted.push(demand.level)
    if (mustHave && !isSpared) wanted.push('multi_factor')
    if (enrolled.length > 0 && !isSpared) wanted.push('multi_factor')
    return { enrolled, reach, target: strongest(...wanted) }
  }

  async function isRemembered({ id, generation }: Account, token: string | undefined): Promise<boolean> {
    if (token === undefined) return false
    return repository.isRemembered(db, { accountId: id, generation, digest: digestOf(token), now: clock.now() })
  }

  async function nextOf(progress: Progress, asked: Asked, where: Where): Promise<Step | undefined> {
    const account = await deps.accounts.readById(progress.accountId)
    if (!account || account.isDisabled || account.generation !== progress.generation) return undefined
    deps.refuseElsewhere(account, asked.clientId)
    const { enrolled, reach, target } = await targetOf(account, asked, where)
    const level = levelOf(progress.proven)
    if (isAtLeast(level, target)) return done(account, progress)
    // Before a stronger factor is set up, the one that is there is asked for: a password alone adds nothing to it.
    const goal = isAtLeast(reach, target) ? target : 'multi_factor'
    if (enrolled.length > 0 && !isAtLeast(level, goal)) {
      const fit = enrolled.filter((id) => isAtLeast(levelOf(['password', id]), goal))
      const standIns = goal === 'multi_factor' ? await standInsOf(account.id) : []
      const mayRemember = !factors.isAdministrator(account) && asked.demand.level === 'password'
      const off = await deps.failures.listOff(account.id)
      return {
        kind: 'factor',
        account,
        methods: [...fit, ...standIns].filter((id) => !off.includes(id)),
        off: [...fit, ...standIns].filter((id) => off.includes(id)),
        mayRemember,
      }
    }
    if (clock.now() - progress.provenAtMs > freshForMs) return undefined
    const fit = methods.filter(({ enrolment, level }) => enrolment && isAtLeast(level, target))
    return { kind: 'enrol', account, level: target, methods: fit.map(({ id }) => id) }
  }

  async function standInsOf(accountId: string): Promise<MethodId[]> {
    const found = await Promise.all(
      methods
        .filter((method) => method.isStandIn)
        .map(async (method) => (await method.listAddedAt(accountId)).length > 0 && method.id),
    )
    return found.filter((id) => id !== false)
  }

  const noteProven = (accountId: string, { clientId }: Asked, { origin }: Where, method: MethodId) =>
    transaction((tx) =>
      audit.recordOwn(tx, { action: 'factor.proven', accountId, clientId, origin, details: { method } }),
    )

  /** A sign-in that is refused before the factor is looked at. */
  const noteRefused = (
    accountId: string,
    { clientId }: Asked,
    { origin }: Where,
    reason: 'factor' | 'locked',
  ): Promise<void> => transaction((tx) => audit.recordRefusedSignIn(tx, { reason, accountId, clientId, origin }))

  return {
    /** The first proof of a login, by the account as it was read with it; what was proven in this interaction before, by whomever, is gone. Gives the next step. */
    begin: async (
      asked: Asked,
      { id, generation }: Pick<Account, 'id' | 'generation'>,
      proof: Proof,
      where: Where,
    ): Promise<Step> => {
      const progress = { accountId: id, generation, proven: [proof], provenAtMs: clock.now() }
      const step = await nextOf(progress, asked, where)
      if (!step) throw factorNotAsked()
      if (proof !== 'password') await deps.endReset(progress, where.origin)
      if (step.kind !== 'done') {
        await repository.putProgress(db, keyOf(asked.uid), progress, clock.now() + progressLivesMs)
      }
      return step
    },

    /** What is next, where the login has begun or goes on from a session; undefined: from the start. Nothing changes. */
    resume: async (asked: Asked, where: Where): Promise<Step | undefined> => {
      const progress = await progressOf(asked)
      return progress && nextOf(progress, asked, where)
    },

    /**
     * Checks one answer, which is counted first. Gives the next step. Throws `factor_not_asked`, `factor_refused`, `factor_locked` (by the
     * person's own count, apart from that of passwords), `factor_tries_used` when this login has had too many, `factor_off`.
     */
    prove: async (asked: Asked, id: MethodId, answer: Readonly<Record<string, string>>, where: Where) => {
      const progress = await progressOf(asked)
      const step = progress && (await nextOf(progress, asked, where))
      if (!progress || step?.kind !== 'factor') throw factorNotAsked()
      if (step.off.includes(id)) {
        deps.metrics.count(id, 'off')
        await noteRefused(progress.accountId, asked, where, 'locked')
        throw factorOff()
      }
      if (!step.methods.includes(id)) throw factorNotAsked()
      const method = methods.find((one) => one.id === id)
      if (!method) throw factorNotAsked()
      const key = keyOf(asked.uid)
      const { accountId } = progress
      await repository.insertProgress(db, key, progress, lifetime())
      if (!(await repository.countProgressTry(db, key, mostInLogin))) {
        await noteRefused(accountId, asked, where, 'factor')
        throw factorTriesUsed()
      }
      // What cannot be guessed is not locked by the tries of others.
      const lockedUntil = method.isCounted
        ? await repository.countFactorTry(db, accountId, { ...window, now: clock.now() })
        : undefined
      if (lockedUntil !== undefined) {
        deps.metrics.count(id, 'locked')
        await noteRefused(accountId, asked, where, 'locked')
        throw factorLocked({ retryAfterSeconds: Math.ceil((lockedUntil - clock.now()) / 1000) })
      }
      const failures = await deps.failures.count(accountId, id)
      const isProven = await method.check(progress, answer, asked.uid)
      deps.metrics.count(id, isProven ? 'success' : 'failure')
      if (!isProven) {
        const { clientId } = asked
        await deps.failures.note({ accountId, method: id, clientId, origin: where.origin }, failures)
        throw factorRefused()
      }
      await noteProven(accountId, asked, where, id)
      await deps.failures.clear(accountId, id)
      await repository.forgetFactorTries(db, accountId)
      if (!(await repository.addProof(db, key, progress, id))) throw factorNotAsked()
      await deps.endReset(progress, where.origin)
      const next = await nextOf({ ...progress, proven: [...progress.proven, id] }, asked, where)
      if (!next) throw factorNotAsked()
      return next
    },

    /** After a factor was set up in this login, which proves it. Throws `factor_not_asked`. */
    enrolled: async (asked: Asked, id: MethodId): Promise<void> => {
      const progress = await progressOf(asked)
      if (!progress) throw factorNotAsked()
      const key = keyOf(asked.uid)
      await repository.insertProgress(db, key, progress, lifetime())
      if (!(await repository.addProof(db, key, progress, id))) throw factorNotAsked()
    },

    /** Forgets what was proven: the person starts again, or somebody else does. */
    clear: (uid: string): Promise<void> => repository.deleteProgress(db, keyOf(uid)),

    /**
     * Remembers this browser for 30 days; gives the token for its cookie, a new one each time. Undefined: the account has been reset
     * since the sign-in began.
     */
    remember: async ({ id, generation }: Pick<Account, 'id' | 'generation'>) => {
      const token = deps.random.token()
      const at = clock.now()
      const row = { accountId: id, generation, digest: digestOf(token), at, expiresAt: at + rememberedMs }
      return (await repository.insertRemembered(db, row)) ? { token, lifetimeMs: rememberedMs } : undefined
    },

    /** Browsers that skip the second factor of this person. */
    countRemembered: (accountId: string): Promise<number> => repository.countRemembered(db, accountId, clock.now()),

    /** No browser skips the second factor of this person any more. */
    forgetBrowsers: (accountId: string): Promise<void> => transaction((tx) => repository.forgetBrowsers(tx, accountId)),

    /** Without a reset, within the transaction that ends the person's sessions: sign-ins under way end, and no browser is remembered. */
    endSignIns: (tx: Tx, accountId: string): Promise<void> => repository.endOf(tx, accountId),

    /** With a reset of the account: sign-ins under way end, and only the browser that asked for it stays remembered. */
    endAccount: (async (tx, accountId, { kept, end }) => {
      const [before, after] = [kept.rememberedToken, end.rememberedToken]
      if (before === undefined || after === undefined) return repository.endOf(tx, accountId)
      const { generation } = end
      await repository.endOf(tx, accountId, { digest: digestOf(before), next: digestOf(after), generation })
    }) satisfies EndsWithAccount,

    /** Removes rows that say nothing any more; gives how many. */
    sweep: (): Promise<number> => repository.sweep(db, clock.now(), window.windowMs, sweptAtOnce),
  }
}

const keyOf = (uid: string): Buffer => createHash('sha256').update(`latchkey login\0${uid}`).digest()
const digestOf = (token: string): Buffer => createHash('sha256').update(`latchkey remembered\0${token}`).digest()
