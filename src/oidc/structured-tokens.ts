/**
 * Introspection and revocation (RFC 7662, RFC 7009) of tokens the engine does not know: JWT access
 * tokens and lost tokens.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Client } from '../clients/client.ts'
import type { RequestOrigin } from '../origin.ts'
import { originOf } from '../origin.ts'
import type { VerifiedAccessToken } from './jwt-access-token.ts'

type TokenOwner = { clientId: string; accountId: string | undefined }
type Owners = { findById: (id: string) => Promise<{ isDisabled: boolean } | undefined> }
type Clients = { findById: (id: string) => Promise<Pick<Client, 'isDisabled' | 'metadata'> | undefined> }

type Deps = {
  verify: (token: string) => Promise<VerifiedAccessToken | undefined>
  tokenIds: Pick<ArtifactStore['tokenIds'], 'isAlive'>
  /** Whether the client may introspect tokens of that audience. */
  mayIntrospect: (clientId: string, audience: string) => Promise<boolean>
  clients: Clients
  accounts: Owners
  /** Denies one token until it expires. */
  deny: (jti: string, owner: TokenOwner, origin: RequestOrigin) => Promise<void>
  /**
   * Denies an opaque token that no store has, for the longest validity of the client's tokens.
   * Throws too_many_requests.
   */
  denyLost: (ctx: KoaContextWithOIDC, clientId: string, token: string) => Promise<void>
}

// The form of the engine's opaque tokens (256 bits). We add no prefix.
const opaqueToken = /^[A-Za-z0-9_-]{43}$/

const inactive = { active: false }

/**
 * Middleware inside the engine's chain: the engine has authenticated the client, and refuses the
 * token only because it is a JWT. A revoked token, or one that the client may not introspect, is
 * inactive (RFC 7662 §2.2).
 * Every revocation is answered 200 (RFC 7009 §2.2).
 */
export function createStructuredTokensAround(deps: Deps) {
  const isUsable = async ({ findById }: Owners, id: string): Promise<boolean> =>
    (await findById(id))?.isDisabled === false

  async function introspect(clientId: string, isPublic: boolean, token: string): Promise<Record<string, unknown>> {
    const found = isPublic ? undefined : await deps.verify(token)
    if (!found) return inactive
    const { claims, accountId, kid } = found
    const owner = { clientId: claims.client_id, accountId }
    if (owner.clientId !== clientId && !(await deps.mayIntrospect(clientId, claims.aud))) return inactive
    const isAlive =
      (await isUsable(deps.clients, owner.clientId)) &&
      (accountId === undefined || (await isUsable(deps.accounts, accountId))) &&
      (await deps.tokenIds.isAlive(claims.jti, owner, kid))
    const isBound = Object(claims.cnf).jkt !== undefined
    return isAlive ? { active: true, ...claims, token_type: isBound ? 'DPoP' : 'Bearer' } : inactive
  }

  /**
   * RFC 7662 §2.2: `scope` is the current scope, without scopes that the client has lost since the
   * issue.
   */
  async function narrowToAllowedScope(body: Record<string, unknown>): Promise<Record<string, unknown>> {
    const { client_id: clientId, scope, ...rest } = body
    if (body.active !== true || typeof clientId !== 'string' || typeof scope !== 'string') return body
    const own = new Set((await deps.clients.findById(clientId))?.metadata.scope.split(' '))
    const allowed = scope.split(' ').filter((name) => own.has(name))
    const answer = { ...rest, client_id: clientId }
    return allowed.length === 0 ? answer : { ...answer, scope: allowed.join(' ') }
  }

  /** Only the client that got the token can revoke it (RFC 7009 §2.1). */
  async function revoke(clientId: string, token: string, origin: RequestOrigin): Promise<void> {
    const found = await deps.verify(token)
    if (found?.claims.client_id === clientId)
      await deps.deny(found.claims.jti, { clientId, accountId: found.accountId }, origin)
  }

  /**
   * RFC 7009 §2.2 requires 200 for an unknown token. It is denied, so that it is not valid later
   * either.
   */
  async function revokeUnknown(ctx: KoaContextWithOIDC): Promise<void> {
    const { client, params, entities } = ctx.oidc
    const isKnown = entities.AccessToken ?? entities.ClientCredentials ?? entities.RefreshToken
    if (ctx.status !== 200 || isKnown || !client || typeof params?.token !== 'string') return
    if (opaqueToken.test(params.token)) await deps.denyLost(ctx, client.clientId, params.token)
  }

  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next()
    const { client, params, route } = ctx.oidc ?? {}
    const { error } = Object(ctx.body) as { error?: unknown }
    if (error !== 'unsupported_token_type') {
      if (route === 'introspection') ctx.body = await narrowToAllowedScope(ctx.body as Record<string, unknown>)
      if (route === 'revocation') await revokeUnknown(ctx)
      return
    }
    if (!client || typeof params?.token !== 'string') return
    const { token } = params
    if (route === 'introspection') {
      const isPublic = client.tokenEndpointAuthMethod === 'none'
      ctx.body = await narrowToAllowedScope(await introspect(client.clientId, isPublic, token))
    } else if (route === 'revocation') {
      await revoke(client.clientId, token, originOf(ctx))
      ctx.body = ''
    } else return
    ctx.status = 200
  }
}
