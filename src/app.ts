/**
 * What is mounted, in the order in which a request reaches it. All parts were built in `compose/`.
 */
import Koa from 'koa'
import { permissions } from './access/permissions.ts'
import type { Parts } from './compose/parts.ts'
import { accessLog, receivedAtOf } from './http/access-log.ts'
import { formType, guardBodies, readFormText } from './http/body.ts'
import { answerErrors, methodNotAllowed } from './http/errors.ts'
import { securityHeaders } from './http/headers.ts'
import { clientIp, pinToIssuer, refuseRepeatedHeaders } from './http/ip.ts'
import { checkParameters, limitParameters } from './http/parameters.ts'
import { createRouter, mountRoutes } from './http/route-mount.ts'
import { policyNames } from './limits/policies.ts'
import { writeLimitHeaders } from './limits/rate-limiter.ts'
import { cors } from './oidc/cors.ts'
import { createEndpointGuard } from './oidc/endpoint-guard.ts'
import { pathsOf } from './oidc/endpoints.ts'
import { answerLostStores } from './oidc/errors.ts'

/** The Koa application of one server process. */
export function createApp(parts: Parts): Koa {
  const { config, log, clock, random, views, sentences, csrf, artifacts, engine } = parts
  const app = new Koa()
  app.keys = parts.cookieKeys
  // answerErrors answers and logs every failure. Koa itself only reports broken connections.
  app.on('error', (error: unknown) => log.debug({ err: error }, 'a connection broke'))

  const router = createRouter()
  mountRoutes(router, parts.routes, {
    csrf,
    permissions,
    guards: { session: parts.sessionGuard.admit },
    limits: { rateLimiter: parts.rateLimiter, policies: policyNames },
  })
  const requestChecks = {
    // A form has the same limits as a query, because it continues as one (`post-to-get.ts`) or is
    // stored for a while.
    readFormText: async (ctx: Koa.Context) => {
      const text = await readFormText(ctx)
      checkParameters(text)
      return text
    },
    guardForms: guardBodies({ types: [formType] }),
    methodNotAllowed: (allow: string) => methodNotAllowed({ params: { allow } }),
  }
  const guard = createEndpointGuard({
    artifacts,
    requestUrlOf: parts.requestUrlOf,
    requestChecks,
    countBrowser: parts.engineLimits.countBrowser,
  })

  pinToIssuer(app, config.issuer)
  app.use(clientIp(parts.ipOf))
  app.use(accessLog({ logRequest: parts.logRequest, clock, random }))
  app.use(parts.documents.store)
  app.use(
    securityHeaders({
      issuer: config.issuer,
      openerPaths: [...pathsOf(({ opener }) => opener === 'accessible'), '/interaction'],
      cacheablePaths: pathsOf(({ cache }) => cache === 'fixed'),
    }),
  )
  app.use(writeLimitHeaders)
  app.use(guard.answerInJson)
  app.use(answerErrors({ views, sentences, log, isProtocolPath: guard.isProtocolPath }))
  app.use(refuseRepeatedHeaders)
  app.use(limitParameters())
  app.use(cors)
  app.use(guard.refuseUnfit)
  app.use(csrf.guardOrigin(pathsOf(({ formOrigin }) => formOrigin === 'own')))
  app.use(answerLostStores)
  app.use(guard.postToGet)
  app.use(parts.answerStaleBrowsers)
  app.use((ctx, next) => artifacts.middleware(ctx, next, receivedAtOf(ctx)))
  app.use(guard.admit(engine.middleware))
  app.use(router.routes())
  return app
}
