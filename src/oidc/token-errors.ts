/** The errors of the endpoints that clients call by the standard's names, where the engine says invalid_request (RFC 6749 §5.2). */
import type { KoaContextWithOIDC } from 'oidc-provider'

const clientRoutes: ReadonlySet<string | undefined> = new Set([
  'token',
  'introspection',
  'revocation',
  'pushed_authorization_request',
])

type Refusal = { status: number; error: string; error_description: string }

function refusalOf({ oidc, headers }: KoaContextWithOIDC): Refusal | undefined {
  const { client } = oidc
  const {
    grant_type: grantType,
    client_id: clientId,
    client_secret: secret,
    client_assertion: assertion,
  } = oidc.params ?? {}
  if (client && typeof grantType === 'string' && !client.grantTypeAllowed(grantType)) {
    const error_description = 'requested grant type is not allowed for this client'
    return { status: 400, error: 'unauthorized_client', error_description }
  }
  if (!client && oidc.params && headers.authorization === undefined && !clientId && !secret && !assertion) {
    return { status: 401, error: 'invalid_client', error_description: 'no client authentication included' }
  }
  return undefined
}

/**
 * Middleware inside the engine's chain. A grant that the client may not use is unauthorized_client; a request without any client authentication
 * is invalid_client, with the challenge that a 401 needs (RFC 9110 §15.5.2).
 */
export async function tokenErrorsAround(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next()
  const { error: told } = (ctx.body ?? {}) as { error?: unknown }
  if (told !== 'invalid_request' || !clientRoutes.has(ctx.oidc?.route)) return
  const refusal = refusalOf(ctx)
  if (!refusal) return
  const { status, ...body } = refusal
  ctx.body = body
  ctx.status = status
  if (status === 401) ctx.set('WWW-Authenticate', `Basic realm="${ctx.oidc.provider.issuer}"`)
}
