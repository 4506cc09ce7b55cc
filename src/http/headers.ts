/**
 * The security headers of every response, ours and the engine's, and the few pages that need one
 * less.
 */
import type { Context, Middleware, Next } from 'koa'
import helmet from 'koa-helmet'

type Options = {
  issuer: string
  /**
   * Paths, with all below them, that a sign-in popup passes: Cross-Origin-Opener-Policy would
   * separate it from its opener.
   */
  openerPaths: readonly string[]
  /**
   * Paths whose successful responses caches may store: discovery. The JWKS sets its own time
   * (`oidc/jwks.ts`).
   */
  cacheablePaths: readonly string[]
}

/** How long discovery may be cached: much shorter than a key is announced before it signs. */
const cacheSeconds = 300

const self = ["'self'"]
const none = ["'none'"]
const directives = {
  'default-src': none,
  'script-src': self,
  'style-src': self,
  'img-src': self,
  'connect-src': self,
  'form-action': self,
  'frame-ancestors': none,
  'base-uri': none,
  'object-src': none,
}

/**
 * The headers that helmet sets with these options. They do not depend on the request, so helmet
 * runs only once.
 */
function headersOf(options: Parameters<typeof helmet>[0]): [name: string, value: string][] {
  const headers: [string, string][] = []
  const answer = { setHeader: (name: string, value: string) => headers.push([name, value]), removeHeader: () => {} }
  // Helmet sets headers on the response and reads nothing else of the context.
  void helmet(options)({ req: {}, res: answer } as unknown as Context, async () => {})
  return headers
}

/** Sets the headers first, so that errors and the engine's responses have them too. */
export function securityHeaders({ issuer, openerPaths, cacheablePaths }: Options): Middleware {
  const isHttps = issuer.startsWith('https:')
  const headers = headersOf({
    contentSecurityPolicy: { useDefaults: false, directives },
    // HSTS may only be sent over https (RFC 6797 §7.2). In development it would force localhost to
    // https.
    strictTransportSecurity: isHttps && { maxAge: 31_536_000, includeSubDomains: true },
    xContentTypeOptions: true,
    xFrameOptions: { action: 'deny' },
    // no-referrer would set the Origin of every form to `null`.
    referrerPolicy: { policy: 'same-origin' },
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    crossOriginEmbedderPolicy: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xPoweredBy: false,
    xXssProtection: false,
  })
  headers.push(['Permissions-Policy', 'camera=(), microphone=(), geolocation=()'], ['Cache-Control', 'no-store'])
  const openerHeaders = headers.filter(([name]) => name !== 'Cross-Origin-Opener-Policy')
  const isOpener = (path: string) =>
    openerPaths.some((one) => path.startsWith(one) && (path[one.length] ?? '/') === '/')
  const cacheable = new Set(cacheablePaths)
  return (ctx, next) => {
    const { path, res } = ctx
    for (const [name, value] of isOpener(path) ? openerHeaders : headers) res.setHeader(name, value)
    return cacheable.has(path) ? cachedWhenRight(ctx, next) : next()
  }
}

async function cachedWhenRight(ctx: Context, next: Next): Promise<void> {
  await next()
  if (ctx.status === 200) ctx.set('Cache-Control', `public, max-age=${cacheSeconds}`)
}

/**
 * Lets the form_post page send its form to a redirect URI (OAuth 2.0 Form Post Response Mode §2).
 * Chromium checks form-action at later redirects too, so one allowed origin is not enough.
 */
export function allowForeignFormTarget(ctx: Context): void {
  const policy = ctx.response.get('Content-Security-Policy').split(';')
  ctx.set('Content-Security-Policy', policy.filter((directive) => !directive.startsWith('form-action')).join(';'))
}
