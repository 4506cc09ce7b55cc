/** What a request to the engine must pass first: a method it has, a body it can read, and GET for the two browser endpoints. */
import type { Context, Middleware, Next } from 'koa'
import type { ArtifactStore } from '../../adapters/index.ts'
import { resumedInteraction, routes } from './endpoints.ts'
import { requestExpired } from './errors.ts'
import type { createAddresses } from './post-to-get.ts'
import { createPostToGet } from './post-to-get.ts'
import { responseOf } from './stale-browser.ts'

/** HTTP's side of the door, handed in: reading a form as it was sent, and refusing by header alone. */
export type DoorKeeper = {
  readFormText: (ctx: Context) => Promise<string>
  guardForms: Middleware
  methodNotAllowed: (allow: string) => Error
}

type Deps = {
  artifacts: Pick<ArtifactStore, 'take' | 'expect' | 'resumes'>
  addressOf: ReturnType<typeof createAddresses>
  doorKeeper: DoorKeeper
  /** Counts a request of a browser at its address. Throws too_many_requests. */
  countBrowser: (ctx: Context) => Promise<void>
  discoveryPaths: readonly string[]
}

export function createEngineDoor({ artifacts, addressOf, doorKeeper, countBrowser, discoveryPaths }: Deps) {
  const reading = ['GET', 'HEAD', 'OPTIONS']
  const methods = new Map<string, readonly string[]>([
    ...discoveryPaths.map((path) => [path, reading] as const),
    [routes.jwks, reading],
    // A HEAD would issue a code, or end a session, that its sender never sees.
    [routes.authorization, ['GET', 'POST']],
    [routes.end_session, ['GET', 'POST']],
    [`${routes.end_session}/confirm`, ['POST']],
    [`${routes.end_session}/success`, ['GET', 'HEAD']],
    [routes.token, ['POST', 'OPTIONS']],
    [routes.introspection, ['POST']],
    [routes.revocation, ['POST', 'OPTIONS']],
    [routes.pushed_authorization_request, ['POST', 'OPTIONS']],
    [routes.userinfo, ['GET', 'HEAD', 'POST', 'OPTIONS']],
  ])
  const isForBrowsers = (path: string): boolean => path === routes.authorization || path.startsWith(routes.end_session)
  const methodsAt = (path: string): readonly string[] | undefined =>
    methods.get(path) ?? (resumedInteraction(path) === undefined ? undefined : ['GET'])

  return {
    /** Whether errors at `path` are read by OAuth clients and use the names of RFC 6749 §5.2. */
    isProtocolPath: (path: string): boolean => methods.has(path),

    /**
     * Programs get JSON whatever they say they like best (RFC 6749 §5.2): what Java sends by default begins with text/html, and the
     * engine would answer an error with a page.
     */
    answerInJson: (ctx: Context, next: Next): Promise<void> => {
      if (methods.has(ctx.path) && !isForBrowsers(ctx.path)) ctx.req.headers.accept = 'application/json'
      return next()
    },

    refuseUnfit: (ctx: Context, next: Next): Promise<void> => {
      const allowed = methodsAt(ctx.path)
      if (!allowed) return next()
      if (!allowed.includes(ctx.method)) throw doorKeeper.methodNotAllowed(allowed.join(', '))
      return ctx.method === 'POST' ? Promise.resolve(doorKeeper.guardForms(ctx as never, next)) : next()
    },

    /** The engine takes `/Token` and `/token/` for `/token`, past every check that goes by the path: it sees only what stands above. */
    admit:
      (engine: Middleware): Middleware =>
      (ctx, next) => {
        if (!methodsAt(ctx.path)) return next()
        const uid = resumedInteraction(ctx.path)
        if (uid !== undefined) {
          // The engine reads the session first, and only then the interaction that the path names.
          artifacts.expect('Interaction', uid)
          artifacts.resumes(uid, () => responseOf(ctx))
        }
        return engine(ctx, next)
      },

    postToGet: createPostToGet({
      count: countBrowser,
      addressOf,
      take: (id) => artifacts.take(id),
      readForm: doorKeeper.readFormText,
      requestExpired: () => requestExpired(),
    }),
  }
}
