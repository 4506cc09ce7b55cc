/** The engine's Koa context in a grant handler, with the fields that the store reads. */
import type { JWK } from 'jose'
import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose'

export type GrantContext = {
  body?: unknown
  ip: string
  state: Readonly<Record<string, unknown>>
  get: (header: string) => string
  oidc: {
    client?: { clientId: string }
    params?: Readonly<Record<string, unknown>>
    entities: { AccessToken?: { jkt?: string } }
  }
}

/**
 * The key of the DPoP proof. The engine checks the proof before it looks up the token (RFC 9449
 * §4.3).
 */
export async function proofThumbprint(ctx: GrantContext): Promise<string | undefined> {
  try {
    return await calculateJwkThumbprint(decodeProtectedHeader(ctx.get('DPoP')).jwk as JWK)
  } catch {
    // There is no proof, or the engine refuses it.
    return undefined
  }
}
