/** The error names of RFC 6749 §5.2 at the endpoints of clients, where the engine uses others. */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { endpointAt } from './endpoints.ts'

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
 * Middleware inside the engine's chain. A grant that the client may not use is unauthorized_client.
 * A request without client authentication is invalid_client, with a challenge (RFC 9110 §15.5.2).
 */
export async function tokenErrorsAround(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next()
  const { error: errorCode } = (ctx.body ?? {}) as { error?: unknown }
  if (errorCode !== 'invalid_request' || endpointAt(ctx.path)?.caller !== 'client') return
  const refusal = refusalOf(ctx)
  if (!refusal) return
  const { status, ...body } = refusal
  ctx.body = body
  ctx.status = status
  if (status === 401) ctx.set('WWW-Authenticate', `Basic realm="${ctx.oidc.provider.issuer}"`)
}
