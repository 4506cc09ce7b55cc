/** Refresh tokens by their client: who gets one, whether it turns, and how long it and its family live. */
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { RuntimeSettings } from '../settings/service.ts'

/** What is asked of the engine's client: the names of `ownProperties`. */
type OwnerSettings = {
  tokenEndpointAuthMethod?: string
  refresh_rotation?: unknown
  refresh_idle_seconds?: unknown
  refresh_absolute_seconds?: unknown
}
type Family = { iiat?: number; exp?: number; jkt?: string; save: () => Promise<unknown> }
type Deps = { settings: { get: () => RuntimeSettings }; now: () => number }

// A token that does not turn is written again when that gives it at least this much longer, or shorter, to live.
const worthWritingSeconds = 60

const secondsOf = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise)

export type RefreshPolicy = ReturnType<typeof createRefreshPolicy>

/** Times are in seconds since the epoch, as the engine counts them. */
export function createRefreshPolicy({ settings, now }: Deps) {
  const epochSeconds = () => Math.floor(now() / 1000)

  function lifetimes(client: OwnerSettings | undefined) {
    const { refreshIdleSeconds, refreshAbsoluteSeconds } = settings.get()
    const absolute = secondsOf(client?.refresh_absolute_seconds, refreshAbsoluteSeconds)
    return { idle: secondsOf(client?.refresh_idle_seconds, refreshIdleSeconds), absolute }
  }

  const familyEnds = (token: Pick<Family, 'iiat'>, client: OwnerSettings | undefined): number =>
    (token.iiat ?? epochSeconds()) + lifetimes(client).absolute

  /** From now until it has been unused for too long, or its family is over: at least 1. */
  function tokenSeconds(token: Pick<Family, 'iiat'>, client: OwnerSettings | undefined): number {
    return Math.max(1, Math.min(lifetimes(client).idle, familyEnds(token, client) - epochSeconds()))
  }

  return {
    tokenSeconds,

    /** How long all tokens of a family live at most (OWASP ASVS 10.4.8). */
    familySeconds: (client: OwnerSettings | undefined): number => lifetimes(client).absolute,

    /**
     * Whether a refresh gives a new refresh token. RFC 9700 §4.14.2: a public client's is either bound to a key or turned at each use,
     * whatever the client's setting says.
     */
    turns: (client: OwnerSettings | undefined, token: Pick<Family, 'jkt'> | undefined): boolean =>
      (client?.tokenEndpointAuthMethod === 'none' && token?.jkt === undefined) || client?.refresh_rotation !== false,

    /** After a refresh that has not turned the token: being used keeps it alive, as far as its family lives. */
    async keepAlive({ oidc }: KoaContextWithOIDC): Promise<void> {
      const { RefreshToken, RotatedRefreshToken } = oidc.entities
      if (!RefreshToken || RotatedRefreshToken) return
      const token = RefreshToken
      const expiresAt = epochSeconds() + tokenSeconds(token, oidc.client)
      const isWorthIt = Math.abs(expiresAt - (token.exp ?? 0)) >= worthWritingSeconds
      // Towards the family's end it gains nothing, but its last use is noted for the day when the idle time is lowered.
      if (!isWorthIt && expiresAt < familyEnds(token, oidc.client)) return
      token.exp = expiresAt
      await token.save()
    },
  }
}
