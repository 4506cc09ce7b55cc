/** The security headers of every answer, ours and the engine's, and the few pages that need one less. */
import type { Context, Middleware } from 'koa'
import helmet from 'koa-helmet'

type Options = {
  issuer: string
  /** Paths, and all below them, that a sign-in popup passes: no Cross-Origin-Opener-Policy, which would cut it from its opener. */
  openerPaths: readonly string[]
  /** Paths whose successful answers may be kept by caches: JWKS and discovery. */
  cacheablePaths: readonly string[]
}

/** How long discovery and JWKS may be kept: far shorter than a key is announced before it signs. */
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

/** Sets the headers before anything else runs, so that errors and the engine's answers carry them too. */
export function securityHeaders({ issuer, openerPaths, cacheablePaths }: Options): Middleware {
  const isHttps = issuer.startsWith('https:')
  const setHeaders = helmet({
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
  return async (ctx, next) => {
    await setHeaders(ctx, async () => {
      ctx.set('Permissions-Policy', 'camera=(), microphone=(), geolocation=()')
      ctx.set('Cache-Control', 'no-store')
      if (openerPaths.some((path) => ctx.path === path || ctx.path.startsWith(`${path}/`))) {
        ctx.remove('Cross-Origin-Opener-Policy')
      }
      await next()
      if (ctx.status === 200 && cacheablePaths.includes(ctx.path)) {
        ctx.set('Cache-Control', `public, max-age=${cacheSeconds}`)
      }
    })
  }
}

/**
 * Lets a form on this page be sent to a client's redirect URI: for the form_post page alone (OAuth 2.0 Form Post Response Mode §2).
 * Chromium checks form-action at every redirect that follows, so the client's own origin would not be enough.
 */
export function allowForeignFormTarget(ctx: Context): void {
  const policy = ctx.response.get('Content-Security-Policy').split(';')
  ctx.set('Content-Security-Policy', policy.filter((directive) => !directive.startsWith('form-action')).join(';'))
}
