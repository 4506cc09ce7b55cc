/**
 * The refresh tokens of a client: whether they rotate, and how long a token and its family are
 * valid.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { RuntimeSettings } from '../settings/service.ts'

/** The settings that are read from the engine's client: the names of `ownProperties`. */
type OwnerSettings = {
  tokenEndpointAuthMethod?: string
  refresh_rotation?: unknown
  refresh_idle_seconds?: unknown
  refresh_absolute_seconds?: unknown
}
type Family = { iiat?: number; exp?: number; jkt?: string; save: () => Promise<unknown> }
type Deps = { settings: { get: () => RuntimeSettings }; now: () => number }

// A token that does not rotate is written again when its expiry changes by at least this much.
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

  /** Seconds from now until the idle time or the family of the token ends: at least 1. */
  function tokenSeconds(token: Pick<Family, 'iiat'>, client: OwnerSettings | undefined): number {
    return Math.max(1, Math.min(lifetimes(client).idle, familyEnds(token, client) - epochSeconds()))
  }

  return {
    tokenSeconds,

    /** How long the tokens of a family are valid at most (OWASP ASVS 10.4.8). */
    familySeconds: (client: OwnerSettings | undefined): number => lifetimes(client).absolute,

    /**
     * Whether a refresh gives a new refresh token. RFC 9700 §4.14.2: a public client's token is
     * bound to a key or rotates at each use. The client's setting cannot change that.
     */
    rotates: (client: OwnerSettings | undefined, token: Pick<Family, 'jkt'> | undefined): boolean =>
      (client?.tokenEndpointAuthMethod === 'none' && token?.jkt === undefined) || client?.refresh_rotation !== false,

    /**
     * Called after a refresh without rotation: the use extends the token within its family's
     * lifetime.
     */
    async keepAlive({ oidc }: KoaContextWithOIDC): Promise<void> {
      const { RefreshToken, RotatedRefreshToken } = oidc.entities
      if (!RefreshToken || RotatedRefreshToken) return
      const token = RefreshToken
      const expiresAt = epochSeconds() + tokenSeconds(token, oidc.client)
      const isWorthIt = Math.abs(expiresAt - (token.exp ?? 0)) >= worthWritingSeconds
      // Near the family's end the expiry cannot change, but the last use is saved in case the idle
      // time is lowered later.
      if (!isWorthIt && expiresAt < familyEnds(token, oidc.client)) return
      token.exp = expiresAt
      await token.save()
    },
  }
}
