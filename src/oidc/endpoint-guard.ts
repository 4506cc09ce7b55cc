/** The endpoint guard: a request reaches the engine only as its row in `endpoints.ts` allows. */
import type { Context, Middleware, Next } from 'koa'
import type { ArtifactStore } from '../../adapters/index.ts'
import { endpointAt, resumedInteraction } from './endpoints.ts'
import { requestExpired } from './errors.ts'
import type { createRequestUrls } from './post-to-get.ts'
import { createPostToGet } from './post-to-get.ts'
import { responseOf } from './stale-browser.ts'

/**
 * The HTTP checks: the form is read as received; some requests are refused by their headers alone.
 */
export type RequestChecks = {
  readFormText: (ctx: Context) => Promise<string>
  guardForms: Middleware
  methodNotAllowed: (allow: string) => Error
}

type Deps = {
  artifacts: Pick<ArtifactStore, 'take' | 'prefetch' | 'resumes'>
  requestUrlOf: ReturnType<typeof createRequestUrls>
  requestChecks: RequestChecks
  /** Counts a browser's request by its ip. Throws too_many_requests. */
  countBrowser: (ctx: Context) => Promise<void>
}

export function createEndpointGuard({ artifacts, requestUrlOf, requestChecks, countBrowser }: Deps) {
  return {
    /** Whether a JSON error at `path` uses the names of RFC 6749 §5.2. */
    isProtocolPath: (path: string): boolean => {
      const errors = endpointAt(path)?.errors
      return errors !== undefined && errors !== 'page_or_json'
    },

    /**
     * RFC 6749 §5.2. Java prefers text/html by default, and the engine would answer with a page.
     */
    answerInJson: (ctx: Context, next: Next): Promise<void> => {
      if (endpointAt(ctx.path)?.errors === 'oauth') ctx.req.headers.accept = 'application/json'
      return next()
    },

    refuseUnfit: (ctx: Context, next: Next): Promise<void> => {
      const allowed: readonly string[] | undefined = endpointAt(ctx.path)?.methods
      if (!allowed) return next()
      if (!allowed.includes(ctx.method)) throw requestChecks.methodNotAllowed(allowed.join(', '))
      return ctx.method === 'POST' ? Promise.resolve(requestChecks.guardForms(ctx, next)) : next()
    },

    /** The engine would also answer `/Token` and `/token/`. Paths without a row never reach it. */
    admit:
      (engine: Middleware): Middleware =>
      (ctx, next) => {
        if (!endpointAt(ctx.path)) return next()
        const uid = resumedInteraction(ctx.path)
        if (uid !== undefined) {
          // The engine reads the session first, and then the interaction that the path names.
          artifacts.prefetch('Interaction', uid)
          artifacts.resumes(uid, () => responseOf(ctx))
        }
        return engine(ctx, next)
      },

    postToGet: createPostToGet({
      count: countBrowser,
      requestUrlOf,
      take: (id) => artifacts.take(id),
      readForm: requestChecks.readFormText,
      requestExpired: () => requestExpired(),
    }),
  }
}
