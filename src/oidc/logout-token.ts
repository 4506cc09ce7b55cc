/** The logout token (OpenID Connect Back-Channel Logout 1.0 §2.4). */
import { importJWK, SignJWT } from 'jose'
import type { KeyRing } from '../../keys/key-ring.ts'
import type { Random } from '../random.ts'

type Deps = { issuer: string; keyRing: Pick<KeyRing, 'current' | 'confirm'>; now: () => number; random: Random }

type LogoutSubject = { clientId: string; accountId: string; sid: string | undefined; algorithm: string }

const lifeSeconds = 120
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

/**
 * Gives a token for one attempt: valid for two minutes, with `sub` and `sid`, without `nonce`,
 * signed with the current key for the client's ID token algorithm.
 * Throws KeyRingUnconfirmed when this process cannot confirm the current key.
 */
export function createLogoutTokens({ issuer, keyRing, now, random }: Deps) {
  return async ({ clientId, accountId, sid, algorithm }: LogoutSubject): Promise<string> => {
    await keyRing.confirm()
    const jwk = keyRing.current().privateJwks.find(({ alg }) => alg === algorithm)
    if (!jwk) throw new Error(`there is no key for ${algorithm}`)
    const iat = Math.floor(now() / 1000)
    return new SignJWT({
      iss: issuer,
      aud: clientId,
      iat,
      exp: iat + lifeSeconds,
      jti: random.token(),
      sub: accountId,
      ...(sid !== undefined && { sid }),
      events: { [logoutEvent]: {} },
    })
      .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: 'logout+jwt' })
      .sign(await importJWK(jwk, jwk.alg))
  }
}
