/** The session guard: checks the session of a request, or starts the login that it needs. */
import { createHash } from 'node:crypto'
import type { Context } from 'koa'
import type { Admission, PendingReset, SessionDemand, Visit } from '../access/access.ts'
import type { Accounts } from '../accounts/service.ts'
import type { AccountSession } from '../authentication/account-session.ts'
import type { Clock } from '../clock.ts'
import { originOf } from '../origin.ts'
import type { Random } from '../random.ts'
import { accountClientId, returnPath } from './client.ts'
import { loginTooOld } from './errors.ts'

type Deps = {
  readSession: (ctx: Context) => Promise<AccountSession | undefined>
  accounts: Pick<Accounts, 'readById'>
  /** The second factors of an account. */
  factors: { listEnrolled: (accountId: string) => Promise<readonly string[]> }
  /** The pending reset of the account's second factors. */
  pendingReset: (owner: { accountId: string; generation: number }) => Promise<PendingReset | undefined>
  isMultiFactor: (acr: string | undefined) => boolean
  multiFactorAcr: string
  /** Counts a form of the session's account. Throws `too_many_requests`. */
  countForm: (ctx: Context, accountId: string) => Promise<void>
  issuer: string
  authorizePath: string
  random: Random
  clock: Clock
}

export type SessionGuard = ReturnType<typeof createSessionGuard>

/** The maximum age of a recent login (OWASP ASVS 7.5.1), in seconds as `max_age`. */
const recentSeconds = 300

/** The pages that a login may return to. */
const pagePath = /^\/account(\/[a-z-]+){0,3}$/

export function createSessionGuard(deps: Deps) {
  const { readSession, accounts, factors, issuer, random, clock } = deps

  async function visitOf(ctx: Context): Promise<Visit | undefined> {
    const session = await readSession(ctx)
    const account = session && (await accounts.readById(session.accountId))
    // A session of an earlier generation is revoked.
    if (!account || account.isDisabled || session.generation !== account.generation) return undefined
    const { uid, id, generation, authTime, acr, amr } = session
    const factorReset = await deps.pendingReset({ accountId: account.id, generation })
    return {
      account,
      session: { uid, id, generation },
      origin: originOf(ctx),
      authTimeMs: authTime * 1000,
      acr,
      amr,
      factorReset,
    }
  }

  /** Compares like the engine's `max_age`. Otherwise the browser could be redirected endlessly. */
  const isRecent = ({ authTimeMs }: Visit): boolean =>
    Math.floor(clock.now() / 1000) - authTimeMs / 1000 <= recentSeconds

  /** The login demands an essential `acr`, so a remembered browser does not skip the factor. */
  const lacksFactor = async ({ account, acr }: Visit, isFresh: boolean): Promise<boolean> =>
    !(isFresh && deps.isMultiFactor(acr)) && (await factors.listEnrolled(account.id)).length > 0

  function loginUrl(
    path: string,
    { needsRecent, needsFactor }: { needsRecent: boolean; needsFactor: boolean },
  ): string {
    const url = new URL(deps.authorizePath, issuer)
    const parameters = {
      client_id: accountClientId,
      redirect_uri: issuer + returnPath,
      response_type: 'code',
      scope: 'openid',
      state: path,
      // Only the session is needed. The code cannot be used, because the verifier is not stored.
      code_challenge: createHash('sha256').update(random.token()).digest('base64url'),
      code_challenge_method: 'S256',
      ...(needsRecent && { max_age: String(recentSeconds) }),
      ...(needsFactor && {
        claims: JSON.stringify({ id_token: { acr: { essential: true, values: [deps.multiFactorAcr] } } }),
      }),
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return url.href
  }

  return {
    /** The page after a login. Undefined when the browser did not keep the session's cookie. */
    pageAfter: async (ctx: Context, state: string | undefined): Promise<string | undefined> => {
      if (!(await readSession(ctx))) return undefined
      return state !== undefined && pagePath.test(state) ? state : '/account'
    },

    /**
     * Throws `login_too_old` for a form without a sufficient login; the login does not resend it.
     * Throws `too_many_requests` for too many forms of the account, from any network.
     */
    admit: async (ctx: Context, demand: SessionDemand): Promise<Admission> => {
      const visit = await visitOf(ctx)
      const isForm = ctx.method !== 'GET' && ctx.method !== 'HEAD'
      if (visit && isForm) await deps.countForm(ctx, visit.account.id)
      const needsRecent = demand !== 'any'
      const isFresh = visit !== undefined && (!needsRecent || isRecent(visit))
      const needsFactor = demand === 'recent+factor' && visit !== undefined && (await lacksFactor(visit, isFresh))
      if (isFresh && !needsFactor) return { visit }
      if (isForm) throw loginTooOld()
      return { loginUrl: loginUrl(ctx.path, { needsRecent: needsRecent && visit !== undefined, needsFactor }) }
    },
  }
}
