/** The protocol: the engine, and our code around it. */
import type { Context } from 'koa'
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Views } from '../http/views.ts'
import type { Log } from '../log.ts'
import type { Random } from '../random.ts'
import type { Sessions } from '../sessions/service.ts'
import { createAccountSessions } from './account-session.ts'
import { cookieOptions } from './configuration.ts'
import { discoveryAround } from './discovery.ts'
import { pathsOf } from './endpoints.ts'
import { createInteractions } from './interaction.ts'
import { createJwksAround } from './jwks.ts'
import { createAccessTokenVerifier } from './jwt-access-token.ts'
import { createEngineLimits } from './limits.ts'
import { createLogoutAround } from './logout.ts'
import { createEnginePages } from './pages.ts'
import { createRequestUrls } from './post-to-get.ts'
import { createOidc } from './provider.ts'
import { createSessionNotes } from './session-notes.ts'
import { createStaleBrowserAnswers } from './stale-browser.ts'
import { createStructuredTokensAround } from './structured-tokens.ts'
import { tokenErrorsAround } from './token-errors.ts'

export { acrOf, isMultiFactor, multiFactorAcr } from './acr.ts'
export { routes as enginePaths } from './endpoints.ts'
export { createInteractionCookie } from './interaction-cookie.ts'
export { isRingConfirmed } from './jwks.ts'
export { createLifetimes } from './lifetimes.ts'
export { createLogoutTokens } from './logout-token.ts'

/** Paths whose answer is the same for every caller. */
export const sharedDocumentPaths = () => pathsOf(({ caller }) => caller === 'anyone')

type EngineDeps = Parameters<typeof createOidc>[0]
type TokenDeps = Parameters<typeof createStructuredTokensAround>[0]

type Deps = Omit<EngineDeps, 'artifacts' | 'accounts' | 'clients' | 'pages' | 'limits' | 'around'> &
  Pick<Parameters<typeof createEngineLimits>[0], 'rateLimiter' | 'countedIp'> &
  Omit<Parameters<typeof createJwksAround>[0], 'keyRing'> &
  Pick<Parameters<typeof createStaleBrowserAnswers>[0], 'accountReset'> &
  Pick<Parameters<typeof createEnginePages>[0], 'requestIdOf'> &
  Pick<TokenDeps, 'deny' | 'denyLost'> & {
    artifacts: ArtifactStore
    accounts: TokenDeps['accounts'] & Parameters<typeof createEnginePages>[0]['accounts']
    /** Gives the account as the client may see it. */
    findForClient: EngineDeps['accounts']['findForClient']
    clients: EngineDeps['clients']
    /** The same with the clients of our own pages. */
    findClient: EngineDeps['clients']['findById']
    digestWrongSecret: Parameters<typeof createEngineLimits>[0]['digest']
    sessions: Pick<Sessions, 'note' | 'end'>
    views: Views
    log: Log
    random: Random
  }

export function createOidcFeature(deps: Deps) {
  const {
    rateLimiter,
    countedIp,
    digestWrongSecret: digest,
    requestIdOf,
    accountReset,
    deny,
    denyLost,
    ...others
  } = deps
  const { findForClient, findClient, accounts, sessions, views, random, cacheSeconds, announcedMs, ...engineDeps } =
    others
  const { artifacts, keyRing, clients, resourceServers, clock, log, interactionCookie } = engineDeps
  const { issuer } = engineDeps.config
  const sessionCookie = { ...cookieOptions(issuer), path: '/' }
  const pages = createEnginePages({ views, accounts, requestIdOf })
  const limits = createEngineLimits({ rateLimiter, artifacts, countedIp, digest })
  const engine = createOidc({
    ...engineDeps,
    accounts: { findForClient },
    clients: { findById: findClient, secretMatches: clients.secretMatches },
    pages,
    limits,
    around: [
      createSessionNotes({
        note: sessions.note,
        failed: (error) => log.warn({ err: error }, 'a session could not be described'),
      }),
      discoveryAround,
      createJwksAround({ keyRing, cacheSeconds, announcedMs }),
      tokenErrorsAround,
      createStructuredTokensAround({
        verify: createAccessTokenVerifier({ issuer, keyRing, now: clock.now }),
        tokenIds: artifacts.tokenIds,
        mayIntrospect: resourceServers.mayIntrospect,
        clients,
        accounts,
        deny,
        denyLost,
      }),
      createLogoutAround({
        showContinue: (ctx, url) => views.render(ctx, 'continue', { url }),
        endSession: sessions.end,
        sidOf: artifacts.sidOf,
        sessionCookie,
        formPost: pages.formPost,
      }),
    ],
  })
  const { provider } = engine
  const requestUrlOf = createRequestUrls({ park: artifacts.park, random })
  const cookieName = () => provider().cookieName('session')
  return {
    engine,
    engineLimits: limits,
    requestUrlOf,
    interactions: createInteractions({
      provider,
      cookie: interactionCookie,
      generationOf: artifacts.generationOf,
      outcomes: artifacts.outcomes,
      setAnswer: artifacts.setAnswer,
    }),
    accountSessions: createAccountSessions({ provider, generationOf: artifacts.generationOf, cookie: sessionCookie }),
    answerStaleBrowsers: createStaleBrowserAnswers({
      findResponse: artifacts.outcomes.findResponse,
      showRetry: (ctx, url, afterSeconds) => views.render(ctx, 'continue', { url, afterSeconds }),
      accountReset,
      sessionCookie: {
        name: cookieName,
        read: (ctx: Context) => ctx.cookies.get(cookieName(), { signed: true }),
        clear: (ctx: Context) => ctx.cookies.set(cookieName(), null, sessionCookie),
      },
      isLiving: async (id) => (await artifacts.adapter('Session').find(id)) !== undefined,
      endInteraction: async (ctx, uid) => {
        await artifacts.adapter('Interaction').destroy(uid)
        interactionCookie.clear(ctx, uid)
      },
      random,
      requestUrlOf,
    }),
    close: engine.close,
  }
}
