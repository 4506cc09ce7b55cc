/** The session guard of the account pages: checks the session of a request, or sends the browser to the login. */
import { createHash } from 'node:crypto'
import type { Context } from 'koa'
import type { Account, Accounts } from '../accounts/service.ts'
import type { Clock } from '../clock.ts'
import type { AccountSession } from '../oidc/account-session.ts'
import type { Random } from '../random.ts'
import { accountClientId, returnPath } from './client.ts'
import { loginTooOld } from './errors.ts'
import type { CallerSession } from './service.ts'

type Deps = {
  readSession: (ctx: Context) => Promise<AccountSession | undefined>
  accounts: Pick<Accounts, 'readById'>
  /** Whether the person has a second factor, and which class a login with one has. */
  factors: { enrolled: (accountId: string) => Promise<readonly string[]> }
  /** A reset of the account's second factors that waits. */
  pendingReset: (owner: { accountId: string; generation: number }) => Promise<PendingReset | undefined>
  isMultiFactor: (acr: string | undefined) => boolean
  multiFactorAcr: string
  /** Counts a form for the person who sends it. Throws `too_many_requests`. */
  countForm: (ctx: Context, accountId: string) => Promise<void>
  issuer: string
  authorizePath: string
  random: Random
  clock: Clock
}

/** Moments in milliseconds. */
type PendingReset = Readonly<{ requestedAt: number; dueAt: number }>

/** Somebody at their own page. `authTimeMs` is the moment of the login, in milliseconds. */
export type AccountVisit = Readonly<{
  account: Account
  session: CallerSession
  authTimeMs: number
  acr: string | undefined
  amr: readonly string[]
  factorReset: PendingReset | undefined
}>

export type SessionGuard = ReturnType<typeof createSessionGuard>

/** What a page asks of the login: not older than this, and with the second factor, of those who have one. */
export type Wanted = Readonly<{ freshSeconds?: number; factor?: boolean }>

/** OWASP ASVS 7.5.1: a sensitive change asks for a login not older than that. */
export const sensitive: Wanted = { freshSeconds: 300, factor: true }

/** The pages to which a login may return. */
const pagePath = /^\/account(\/[a-z-]+){0,3}$/

export function createSessionGuard(deps: Deps) {
  const { readSession, accounts, factors, issuer, random, clock } = deps

  async function visitOf(ctx: Context): Promise<AccountVisit | undefined> {
    const session = await readSession(ctx)
    const account = session && (await accounts.readById(session.accountId))
    // A session of an earlier generation is over.
    if (!account || account.isDisabled || session.generation !== account.generation) return undefined
    const { uid, id, generation, authTime, acr, amr } = session
    const factorReset = await deps.pendingReset({ accountId: account.id, generation })
    return { account, session: { uid, id, generation }, authTimeMs: authTime * 1000, acr, amr, factorReset }
  }

  /** As the engine compares `max_age`: both must agree, or the person would be sent to and fro. */
  const isFresh = ({ authTimeMs }: AccountVisit, seconds: number | undefined): boolean =>
    seconds === undefined || Math.floor(clock.now() / 1000) - authTimeMs / 1000 <= seconds

  /** A remembered browser spares nobody here: the demand is an essential class of login. */
  const lacksFactor = async ({ account, acr }: AccountVisit, isRecent: boolean): Promise<boolean> =>
    !(isRecent && deps.isMultiFactor(acr)) && (await factors.enrolled(account.id)).length > 0

  function loginUrl(path: string, { freshSeconds }: Wanted, needsFactor: boolean): string {
    const url = new URL(deps.authorizePath, issuer)
    const parameters = {
      client_id: accountClientId,
      redirect_uri: issuer + returnPath,
      response_type: 'code',
      scope: 'openid',
      state: path,
      // The session is what the page goes by. The code is good for nothing, because nobody knows the verifier.
      code_challenge: createHash('sha256').update(random.token()).digest('base64url'),
      code_challenge_method: 'S256',
      ...(freshSeconds !== undefined && { max_age: String(freshSeconds) }),
      ...(needsFactor && {
        claims: JSON.stringify({ id_token: { acr: { essential: true, values: [deps.multiFactorAcr] } } }),
      }),
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return url.href
  }

  return {
    /** The page that a login comes back to; undefined when the browser did not keep it. */
    pageAfter: async (ctx: Context, state: string | undefined): Promise<string | undefined> => {
      if (!(await readSession(ctx))) return undefined
      return state !== undefined && pagePath.test(state) ? state : '/account'
    },

    /**
     * Who comes in. Undefined: the answer has been given, a redirect to the login. A form that was sent on too old a login is refused, and
     * nothing of it is done later: throws `login_too_old`. Counts a form for its person, from whichever network: throws `too_many_requests`.
     */
    enter: async (ctx: Context, wanted: Wanted = {}): Promise<AccountVisit | undefined> => {
      const visit = await visitOf(ctx)
      const isForm = ctx.method !== 'GET' && ctx.method !== 'HEAD'
      if (visit && isForm) await deps.countForm(ctx, visit.account.id)
      const isRecent = visit !== undefined && isFresh(visit, wanted.freshSeconds)
      const needsFactor = wanted.factor === true && visit !== undefined && (await lacksFactor(visit, isRecent))
      if (isRecent && !needsFactor) return visit
      if (isForm) throw loginTooOld()
      ctx.status = 303
      ctx.redirect(loginUrl(ctx.path, visit ? wanted : {}, needsFactor))
      return undefined
    },
  }
}
