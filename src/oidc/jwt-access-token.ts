/** JWT access tokens (RFC 9068): their content, and how this server verifies its own. */
import type { KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { errors, jwtVerify } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { ArtifactStore } from '../../adapters/index.ts'
import type { KeyRing, KeySet } from '../../keys/key-ring.ts'
import { headerProblem } from './jwt-header.ts'

const accessTokenType = 'at+jwt'

/** The fields that are read from the engine's models. */
type Source = { scopes: ReadonlySet<string> }
type IssuedToken = { clientId?: string; accountId?: string; grantId?: string; sessionUid?: string }
type Structure = { payload: Record<string, unknown> }

/** Claims of a JWT access token that this server has issued (RFC 9068 §2.2). */
export type AccessTokenClaims = JWTPayload &
  Readonly<{ jti: string; sub: string; client_id: string; aud: string; iat: number; exp: number; scope?: string }>

export type VerifiedAccessToken = Readonly<{
  claims: AccessTokenClaims
  /** Undefined: the token acts for the client itself. */
  accountId: string | undefined
  /** The key that signed it. */
  kid: string
}>

/**
 * The engine's `formats.customizers.jwt`: the claims of RFC 9068 §2.2, and about the user only
 * those of `extraTokenClaims` (`authentication-claims.ts`). The `jti` seals the token's grant and
 * session (`adapters/token-ids.ts`).
 */
export function createJwtCustomizer({ tokenIds, issuedAt }: Pick<ArtifactStore, 'tokenIds' | 'issuedAt'>) {
  return (ctx: KoaContextWithOIDC, token: IssuedToken, { payload }: Structure): void => {
    const { clientId = '', accountId, grantId, sessionUid } = token
    const { RefreshToken, AuthorizationCode, DeviceCode } = ctx.oidc.entities as Record<string, Source | undefined>
    const source = RefreshToken ?? AuthorizationCode ?? DeviceCode
    const endsWithSession = source !== undefined && !source.scopes.has('offline_access')
    payload.jti = tokenIds.seal(
      { clientId, accountId },
      { issuedAt: issuedAt(), grantId, sessionUid: endsWithSession ? sessionUid : undefined },
    )
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

type VerifierDeps = { issuer: string; keyRing: Pick<KeyRing, 'current'>; now: () => number }

export function createAccessTokenVerifier({ issuer, keyRing, now }: VerifierDeps) {
  const publicKeys = new WeakMap<KeySet['publicJwks'][number], KeyObject>()

  function publicKey(jwk: KeySet['publicJwks'][number]): KeyObject {
    const known = publicKeys.get(jwk)
    if (known) return known
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    publicKeys.set(jwk, key)
    return key
  }

  /**
   * Gives the claims of `token` when this server signed it as an access token, the key is still
   * published, and it has not expired; otherwise undefined. Revocation is not checked.
   * RFC 9068 §4 and RFC 8725 §3: the algorithm is the key's own.
   */
  return async (token: string): Promise<VerifiedAccessToken | undefined> => {
    const kid = kidOf(token)
    const jwk = kid === undefined ? undefined : keyRing.current().publicJwks.find((key) => key.kid === kid)
    if (!jwk || headerProblem(token, { algorithms: [jwk.alg], typ: accessTokenType })) return undefined
    const currentDate = new Date(now())
    const checks = { issuer, algorithms: [jwk.alg], requiredClaims: ['aud', 'exp', 'iat', 'jti', 'sub'], currentDate }
    let payload: JWTPayload
    try {
      payload = (await jwtVerify(token, publicKey(jwk), checks)).payload
    } catch (error) {
      // jose has its own errors for what is wrong with a token. Others are about our key.
      if (!(error instanceof errors.JOSEError)) throw error
      return undefined
    }
    const { sub, jti, aud, client_id: clientId } = payload
    if (!isText(sub) || !isText(jti) || !isText(aud) || !isText(clientId)) return undefined
    const claims = payload as AccessTokenClaims
    return { claims, accountId: sub === clientId ? undefined : sub, kid: jwk.kid }
  }
}

function kidOf(token: string): string | undefined {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString())
    const { kid } = Object(header) as { kid?: unknown }
    return isText(kid) ? kid : undefined
  } catch {
    // The first part is not JSON: a token of another kind.
    return undefined
  }
}
