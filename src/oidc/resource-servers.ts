/** The access tokens of an API, and the scopes of it that a client may request (RFC 8707 §2). */

import type { Context, Next } from 'koa'
import type { Client as EngineClient, ResourceServer as EngineResourceServer, KoaContextWithOIDC } from 'oidc-provider'
import { errors } from 'oidc-provider'
import type { Client } from '../clients/client.ts'
import type { ResourceServer } from '../resource-servers/service.ts'
import { routes } from './endpoints.ts'

type Deps = {
  resourceServers: { findByIdentifier: (identifier: string) => Promise<ResourceServer | undefined> }
  clients: { findById: (clientId: string) => Promise<Client | undefined> }
  entitledScopes: (client: Client, resourceServer: ResourceServer) => readonly string[]
}

/**
 * The engine's `getResourceServerInfo`. Throws InvalidTarget for an unknown resource or one of
 * which the client has no scope, and InvalidScope for a scope of this resource server that the
 * client is not entitled to (RFC 8707 §2, RFC 6749 §3.3).
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

/**
 * The engine's `defaultResource`: gives the registered default resource of a client that cannot
 * send `resource`. With `granted`, the resources of the authorization when the token request names
 * none: gives the default one if it is among them, otherwise all.
 */
export function createDefaultResource({ resourceServers }: Pick<Deps, 'resourceServers'>) {
  return async (client: EngineClient, granted?: readonly string[]): Promise<string | readonly string[] | undefined> => {
    const named = client.default_resource
    const own = typeof named === 'string' ? await resourceServers.findByIdentifier(named) : undefined
    if (granted === undefined) return own?.identifier
    return own && granted.includes(own.identifier) ? own.identifier : granted
  }
}

/**
 * The engine compares `resource` as a string, at the authorization and at each token request. Gives
 * each value as registered, so that a trailing slash makes no difference (RFC 3986 §6.2.3). The
 * engine refuses unknown values.
 */
export function createResourceNames({ resourceServers }: Pick<Deps, 'resourceServers'>) {
  const registered = async (resource: string): Promise<string> =>
    (await resourceServers.findByIdentifier(resource))?.identifier ?? resource
  const all = async (resource: string | string[]): Promise<string | string[]> =>
    Array.isArray(resource) ? [...new Set(await Promise.all(resource.map(registered)))] : registered(resource)

  async function named(ctx: Context, next: Next, resource: string | string[]): Promise<void> {
    ctx.query = { ...ctx.query, resource: await all(resource) }
    await next()
  }

  return {
    registered: all,
    /** For requests to the authorization endpoint, in front of the engine. */
    middleware: (ctx: Context, next: Next): Promise<void> => {
      const resource = ctx.path === routes.authorization ? ctx.query.resource : undefined
      return resource === undefined ? next() : named(ctx, next, resource)
    },
  }
}
