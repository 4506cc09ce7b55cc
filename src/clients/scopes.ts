/** Scopes: those of OpenID Connect, which the engine knows, and all scopes of a client. */
import type { Client } from './client.ts'

/** OpenID Connect Core §5.4 and §11, and `roles`. All other scopes belong to resource servers. */
export const oidcScopes = ['openid', 'profile', 'email', 'phone', 'address', 'offline_access', 'roles'] as const

/** Scopes for claims. */
export type OidcScope = Exclude<(typeof oidcScopes)[number], 'offline_access'>

/** RFC 6749 §3.3: scope-token. */
export const scopeToken = /^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/

export const isOidcScope = (scope: string): boolean => oidcScopes.some((known) => known === scope)

/** A space-separated scope as a list without duplicates. */
export const listScopes = (scope: string): string[] => [...new Set(scope.split(' ').filter((token) => token !== ''))]

const ownScopes = new WeakMap<Client['metadata'], ReadonlySet<string>>()

/**
 * The OpenID Connect scopes of `scope` that the client has registered. Scopes of APIs are decided
 * at the token request.
 */
export function allowedScope({ metadata }: Pick<Client, 'metadata'>, scope: string): string {
  const own = ownScopes.get(metadata) ?? new Set(listScopes(metadata.scope))
  ownScopes.set(metadata, own)
  const names = scope.split(' ')
  const allowed = names.filter((name) => own.has(name) || !isOidcScope(name))
  return allowed.length === names.length ? scope : allowed.join(' ')
}

/** The part of a client's scope for the engine, which refuses resource servers' scopes. */
export const staticScope = (client: Pick<Client, 'metadata'>): string =>
  listScopes(client.metadata.scope).filter(isOidcScope).join(' ')
