/** How long a JWKS may be cached, and how it is revalidated: RFC 9111 §5.2, RFC 9110 §8.8.3. */
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { KeyRing } from '../../keys/key-ring.ts'
import { routes } from './endpoints.ts'
import { jwksUnconfirmed, storeRetryAfterSeconds } from './errors.ts'

type Deps = {
  keyRing: Pick<KeyRing, 'current' | 'confirm' | 'unconfirmedMs'>
  /**
   * Shorter than a key's announcement by at least our own delay: caches get a key before it signs.
   */
  cacheSeconds: number
  announcedMs: number
}

/**
 * The greatest age of the ring's confirmation (milliseconds) for a JWKS answer. The answer may be
 * cached for its whole lifetime, and would miss a key that was announced since then.
 */
const oldestConfirmationMs = ({ cacheSeconds, announcedMs }: Pick<Deps, 'cacheSeconds' | 'announcedMs'>): number =>
  announcedMs - cacheSeconds * 1000

/** Whether the confirmation of the ring is recent enough to answer a JWKS request. */
export const isRingConfirmed = ({ keyRing, ...times }: Deps): boolean =>
  keyRing.unconfirmedMs() <= oldestConfirmationMs(times)

/**
 * Middleware inside the engine's chain. Answers 304 when the client has these keys already, and 503
 * when they may be out of date.
 */
export function createJwksAround({ keyRing, cacheSeconds, announcedMs }: Deps) {
  const oldestMs = oldestConfirmationMs({ cacheSeconds, announcedMs })

  return (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> =>
    ctx.path === routes.jwks ? answerJwks(ctx, next) : next()

  async function answerJwks(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
    if (keyRing.unconfirmedMs() > oldestMs) await keyRing.confirm().catch(refuse)
    await next()
    if (ctx.status !== 200) return
    ctx.set('Cache-Control', `public, max-age=${cacheSeconds}`)
    const etag = `"${keyRing.current().version}"`
    ctx.set('ETag', etag)
    if (isAmong(etag, ctx.get('If-None-Match'))) ctx.status = 304
  }
}

// Not Koa's `fresh`: fetch sends Cache-Control: no-cache with If-None-Match, and `fresh` is then
// false.
const isAmong = (etag: string, ifNoneMatch: string): boolean =>
  ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)

function refuse(cause: unknown): never {
  throw jwksUnconfirmed({ cause, retryAfterSeconds: storeRetryAfterSeconds })
}
