/** How long a JWKS may be kept, and how it is asked for again: RFC 9111 §5.2, RFC 9110 §8.8.3. */
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { KeyRing } from '../../keys/key-ring.ts'
import { routes } from './endpoints.ts'
import { jwksUnconfirmed, storeRetryAfterSeconds } from './errors.ts'

type Deps = {
  keyRing: Pick<KeyRing, 'current' | 'confirm' | 'unconfirmedMs'>
  /** Shorter than a key is announced, by at least our own delay: whoever caches has the key when it signs. */
  cacheSeconds: number
  announcedMs: number
}

/**
 * How long ago the ring may have been confirmed (milliseconds) for a JWKS of it to be given: what is answered now may be kept for the whole
 * lifetime, and a key announced since then would be missed.
 */
const oldestConfirmationMs = ({ cacheSeconds, announcedMs }: Pick<Deps, 'cacheSeconds' | 'announcedMs'>): number =>
  announcedMs - cacheSeconds * 1000

/** Whether the ring was confirmed late enough for a JWKS of it to be given without asking. */
export const isRingConfirmed = ({ keyRing, ...times }: Deps): boolean =>
  keyRing.unconfirmedMs() <= oldestConfirmationMs(times)

/** Middleware inside the engine's chain. Answers 304 to whoever has these keys already, and 503 when they may no longer be the keys. */
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

// Not Koa's `fresh`: it takes Cache-Control: no-cache, which every fetch with If-None-Match sends, for a wish to have it all again.
const isAmong = (etag: string, ifNoneMatch: string): boolean =>
  ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)

function refuse(cause: unknown): never {
  throw jwksUnconfirmed({ cause, retryAfterSeconds: storeRetryAfterSeconds })
}
