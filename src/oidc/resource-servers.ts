/** Which access token an API gets, and which of its scopes a client may ask for (RFC 8707 §2). */

import type { Client as EngineClient, ResourceServer as EngineResourceServer, KoaContextWithOIDC } from 'oidc-provider'
import { errors } from 'oidc-provider'
import type { Client } from '../clients/client.ts'
import type { ResourceServer } from '../resource-servers/service.ts'

type Deps = {
  resourceServers: { findByIdentifier: (identifier: string) => Promise<ResourceServer | undefined> }
  clients: { findById: (clientId: string) => Promise<Client | undefined> }
  entitledScopes: (client: Client, resourceServer: ResourceServer) => readonly string[]
}

/**
 * The engine's `getResourceServerInfo`. Throws InvalidTarget for an unknown resource or a client that may ask for nothing of it, InvalidScope
 * for a scope of this resource server that the client is not entitled to (RFC 8707 §2, RFC 6749 §3.3).
 */
export function createResourceServerInfo({ resourceServers, clients, entitledScopes }: Deps) {
  return async (
    ctx: KoaContextWithOIDC,
    resource: string,
    engineClient: EngineClient,
  ): Promise<EngineResourceServer> => {
    const resourceServer = await resourceServers.findByIdentifier(resource)
    const client = resourceServer && (await clients.findById(engineClient.clientId))
    const entitled = resourceServer && client ? entitledScopes(client, resourceServer) : []
    if (!resourceServer || entitled.length === 0) {
      throw new errors.InvalidTarget('the resource is unknown, or not for this client')
    }
    const requested = requestedScopes(ctx)
    const refused = resourceServer.scopes.find(({ name }) => requested.has(name) && !entitled.includes(name))
    if (refused) throw new errors.InvalidScope('requested scope is not allowed for this client', refused.name)
    return {
      audience: resourceServer.identifier,
      scope: entitled.join(' '),
      accessTokenTTL: resourceServer.tokenLifetimeSeconds,
      accessTokenFormat: resourceServer.tokenFormat,
      ...(resourceServer.tokenFormat === 'jwt' && { jwt: { sign: { alg: resourceServer.signingAlgorithm } } }),
    } as EngineResourceServer
  }
}

const requestedScopes = (ctx: KoaContextWithOIDC): ReadonlySet<string> =>
  new Set(typeof ctx.oidc.params?.scope === 'string' ? ctx.oidc.params.scope.split(' ') : [])
