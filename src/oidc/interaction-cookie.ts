/**
 * The cookie that binds an interaction to the browser that began it (docs/decisions/0122).
 * A sibling host can set the engine's own cookies, so they are not enough.
 */
import type { Context } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { Provider } from 'oidc-provider'
import type { Clock } from '../clock.ts'
import { routes } from './endpoints.ts'
import { interactionExpired } from './errors.ts'

export type InteractionCookie = ReturnType<typeof createInteractionCookie>

// The lifetime of the interaction itself.
const lifetimeMs = 3_600_000
/** Each cookie adds about 80 bytes to the request's header. */
const maxKept = 20

const resumePrefix = `${routes.authorization}/`
const pagePath = /^\/interaction\/([\w-]+)(?:\/|$)/

export function createInteractionCookie({ issuer, clock }: { issuer: string; clock: Clock }) {
  const isSecure = issuer.startsWith('https:')
  // RFC 6265bis §4.1.3.2: a sibling host cannot set a `__Host-` cookie, so it needs no signature.
  // Without https there is no prefix.
  const prefix = `${isSecure ? '__Host-' : ''}latchkey.i.`
  const options = { signed: false, httpOnly: true, sameSite: 'lax', secure: isSecure, path: '/' } as const

  /** The interactions that the browser of this request began, with the time of each. */
  function listKnown(ctx: Context): { uid: string; startedAt: number }[] {
    return ctx
      .get('Cookie')
      .split(';')
      .map((pair) => pair.trim())
      .filter((pair) => pair.startsWith(prefix))
      .map((pair) => /^([\w-]+)=(\d{1,15})$/.exec(pair.slice(prefix.length)))
      .filter((match) => match !== null)
      .map(([, uid = '', startedAt]) => ({ uid, startedAt: Number(startedAt) }))
  }

  function clear(ctx: Context, uid: string): void {
    ctx.cookies.set(prefix + uid, null, options)
  }

  return {
    /** Binds the interaction `uid` to this browser. Only the newest twenty are kept. */
    set: (ctx: Context, uid: string): void => {
      const newestFirst = listKnown(ctx).sort((a, b) => b.startedAt - a.startedAt)
      for (const oldest of newestFirst.slice(maxKept - 1)) clear(ctx, oldest.uid)
      ctx.cookies.set(prefix + uid, String(clock.now()), { ...options, maxAge: lifetimeMs })
    },

    /** Whether this browser began the interaction `uid`. */
    isKnown: (ctx: Context, uid: string): boolean => listKnown(ctx).some((known) => known.uid === uid),

    clear,

    /**
     * The value that binds the forms of an interaction's page to this browser; undefined on other
     * pages.
     */
    pageBinding: (ctx: Context): string | undefined => {
      const [, uid] = pagePath.exec(ctx.path) ?? []
      const known = uid === undefined ? undefined : listKnown(ctx).find((each) => each.uid === uid)
      return known && `interaction ${known.uid} ${known.startedAt}`
    },
  }
}

/**
 * Sets the cookie when `provider` begins an interaction, clears it when one ends, and requires it
 * to resume one.
 */
export function bindInteractions(provider: Provider, cookie: InteractionCookie): void {
  provider.use((ctx, next) => {
    if (ctx.path.startsWith(resumePrefix)) requireBinding(ctx, provider, cookie)
    return next()
  })
  provider.on('interaction.started', (ctx: KoaContextWithOIDC) => {
    const uid = ctx.oidc.entities.Interaction?.uid
    if (uid !== undefined) cookie.set(ctx, uid)
  })
  provider.on('interaction.destroyed', ({ uid }: { uid: string }) => {
    const ctx = Provider.ctx
    if (ctx) cookie.clear(ctx, uid)
  })
}

/**
 * Path, resume cookie and this cookie must name the same interaction: the engine ignores the path.
 * Throws `interaction_expired`.
 */
function requireBinding(ctx: Context, provider: Provider, cookie: InteractionCookie): void {
  const uid = ctx.path.slice(resumePrefix.length)
  const resumed = ctx.cookies.get(provider.cookieName('resume'), { signed: true })
  if (resumed !== uid || !cookie.isKnown(ctx, uid)) throw interactionExpired()
}
