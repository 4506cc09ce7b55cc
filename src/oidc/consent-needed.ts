/**
 * What a stored consent or first-party trust already allows. The engine asks for consent only for
 * what this grant lacks.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Consent } from '../consents/service.ts'

type Deps = {
  consents: { find: (accountId: string, clientId: string, request: ConsentRequest) => Promise<Consent | undefined> }
}

/** Claims that need no consent: they describe the authentication, not the user. */
const authenticationClaims = new Set(['sub', 'sid', 'auth_time', 'acr', 'amr', 'iss'])

type ConsentRequest = {
  scopes: readonly string[]
  claims: readonly string[]
  resources: Readonly<Record<string, readonly string[]>>
}

function requestOf(ctx: KoaContextWithOIDC): ConsentRequest {
  const { oidc } = ctx
  const requested = [...oidc.requestParamScopes]
  const resources: Record<string, readonly string[]> = {}
  for (const [identifier, server] of Object.entries(oidc.resourceServers ?? {})) {
    resources[identifier] = requested.filter((name) => server.scopes.has(name))
  }
  return {
    scopes: [...oidc.requestParamOIDCScopes],
    claims: [...oidc.requestParamClaims].filter((claim) => !authenticationClaims.has(claim)),
    resources,
  }
}

/**
 * The engine's `loadExistingGrant`. Every authorization gets its own grant: a stolen refresh token
 * ends only one family. `policy.ts` saves the grant when no prompt remains.
 */
export function createLoadExistingGrant({ consents }: Deps) {
  return async (ctx: KoaContextWithOIDC) => {
    const { client, session } = ctx.oidc
    if (!client || !session?.accountId) return undefined
    const request = requestOf(ctx)
    const isTrusted = client.is_first_party === true && client.applicationType !== 'native'
    const consent: ConsentRequest | undefined = isTrusted
      ? { ...request, scopes: [...request.scopes, 'offline_access'] }
      : await consents.find(session.accountId, client.clientId, request)
    if (!consent) return undefined

    const grant = new ctx.oidc.provider.Grant({ accountId: session.accountId, clientId: client.clientId })
    if (consent.scopes.length > 0) grant.addOIDCScope(consent.scopes.join(' '))
    if (consent.claims.length > 0) grant.addOIDCClaims([...consent.claims])
    for (const [identifier, names] of Object.entries(consent.resources)) {
      if (names.length > 0) grant.addResourceScope(identifier, names.join(' '))
    }
    return grant
  }
}
