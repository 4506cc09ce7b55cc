/** The security headers of every answer, ours and the engine's, and the few pages that need one less. */
import type { Context, Middleware, Next } from 'koa'
import helmet from 'koa-helmet'

type Options = {
  issuer: string
  /** Paths, and all below them, that a sign-in popup passes: no Cross-Origin-Opener-Policy, which would cut it from its opener. */
  openerPaths: readonly string[]
  /** Paths whose successful answers may be kept by caches: discovery. The JWKS says for itself how long (`oidc/jwks.ts`). */
  cacheablePaths: readonly string[]
}

/** How long discovery may be kept: far shorter than a key is announced before it signs. */
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

/** What helmet sets by these options. No header depends on the request, so it is asked once and not at each of them. */
function headersOf(options: Parameters<typeof helmet>[0]): [name: string, value: string][] {
  const headers: [string, string][] = []
  const answer = { setHeader: (name: string, value: string) => headers.push([name, value]), removeHeader: () => {} }
  // Helmet sets headers on the response and reads nothing else of the context.
  void helmet(options)({ req: {}, res: answer } as unknown as Context, async () => {})
  return headers
}

/** Sets the headers before anything else runs, so that errors and the engine's answers carry them too. */
export function securityHeaders({ issuer, openerPaths, cacheablePaths }: Options): Middleware {
  const isHttps = issuer.startsWith('https:')
  const headers = headersOf({
    contentSecurityPolicy: { useDefaults: false, directives },
    // Only over https may HSTS be sent (RFC 6797 §7.2), and in development it would lock localhost into https.
    strictTransportSecurity: isHttps && { maxAge: 31_536_000, includeSubDomains: true },
    xContentTypeOptions: true,
    xFrameOptions: { action: 'deny' },
    // no-referrer would make the Origin of every form `null`.
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
 * Lets a form on this page be sent to a client's redirect URI: for the form_post page alone (OAuth 2.0 Form Post Response Mode §2).
 * Chromium checks form-action at every redirect that follows, so the client's own origin would not be enough.
 */
export function allowForeignFormTarget(ctx: Context): void {
  const policy = ctx.response.get('Content-Security-Policy').split(';')
  ctx.set('Content-Security-Policy', policy.filter((directive) => !directive.startsWith('form-action')).join(';'))
}
