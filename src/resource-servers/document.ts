/** A resource server as a document (seed, `--json`). The check reports all problems. */
import type { Problem } from '../problems.ts'
import { checkOneOf, isRecord, unknownKey } from '../problems.ts'
import type { ApiScope, ResourceServer, ResourceServerInput } from './resource-server.ts'
import { identifierKey, signingAlgorithms, tokenFormats, tokenLifetime } from './resource-server.ts'

const keys = {
  identifier: 'identifier',
  name: 'name',
  scopes: 'scopes',
  token_format: 'tokenFormat',
  token_lifetime_seconds: 'tokenLifetimeSeconds',
  signing_algorithm: 'signingAlgorithm',
  allowed_clients: 'allowedClientIds',
  introspection_clients: 'introspectionClientIds',
} as const
const scopeKeys = ['name', 'description']

/** Reserved scopes, which an API cannot have (OpenID Connect Core §5.4, §11). */
const reservedScopes = ['openid', 'profile', 'email', 'phone', 'address', 'offline_access', 'roles']
const scopeToken = /^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/
const text = /^[^\p{C}\p{Zl}\p{Zp}]+$/u

/** Reads a document. A scope may be only a name. Use the input only when there are no problems. */
export function readResourceServerDocument(document: Readonly<Record<string, unknown>>): {
  input: ResourceServerInput
  problems: Problem[]
} {
  const problems: Problem[] = []
  const input: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(document)) {
    if (Object.hasOwn(keys, key)) input[keys[key as keyof typeof keys]] = value
    else problems.push(unknownKey('', key, Object.keys(keys)))
  }
  if (Array.isArray(input.scopes)) {
    input.scopes = input.scopes.map((scope) => (typeof scope === 'string' ? { name: scope } : scope))
  }
  problems.push(...checkResourceServer(input))
  return { input: input as ResourceServerInput, problems }
}

/** Returns all problems of an input. With none, the database's constraints hold too. */
export function checkResourceServer(input: Readonly<Record<string, unknown>>): Problem[] {
  const { identifier, name, tokenFormat, tokenLifetimeSeconds: lifetime, signingAlgorithm, allowedClientIds } = input
  const problems: Problem[] = []
  if (typeof identifier !== 'string') problems.push({ path: 'identifier', code: 'required' })
  else if (identifierKey(identifier) === undefined) problems.push({ path: 'identifier', code: 'not_identifier' })
  if (typeof name !== 'string' || name.trim() === '') problems.push({ path: 'name', code: 'required' })
  else if (!text.test(name) || [...name].length > 64)
    problems.push({ path: 'name', code: 'not_text', params: { max: 64 } })
  problems.push(...checkScopes(input.scopes))
  problems.push(...checkOneOf('token_format', tokenFormat, tokenFormats))
  problems.push(...checkOneOf('signing_algorithm', signingAlgorithm, signingAlgorithms))
  const { min, max } = tokenLifetime
  if (lifetime !== undefined && !(Number.isInteger(lifetime) && Number(lifetime) >= min && Number(lifetime) <= max)) {
    problems.push({ path: 'token_lifetime_seconds', code: 'not_within', params: { min, max } })
  }
  problems.push(...checkClientIds('allowed_clients', allowedClientIds))
  problems.push(...checkClientIds('introspection_clients', input.introspectionClientIds))
  return problems
}

function checkClientIds(path: string, ids: unknown): Problem[] {
  const areIds = Array.isArray(ids) && ids.length <= 1000 && ids.every((id) => typeof id === 'string')
  return ids === undefined || areIds ? [] : [{ path, code: 'not_list', params: { max: 1000 } }]
}

function checkScopes(scopes: unknown): Problem[] {
  if (!Array.isArray(scopes) || scopes.length === 0) return [{ path: 'scopes', code: 'required' }]
  if (scopes.length > 200) return [{ path: 'scopes', code: 'not_list', params: { max: 200 } }]
  const names = scopes.map((scope) => (isRecord(scope) ? scope.name : undefined))
  return scopes.flatMap((scope, index) => [
    ...(names.indexOf(names[index]) === index ? [] : [{ path: `scopes[${index}]`, code: 'repeated' }]),
    ...checkScope(scope, `scopes[${index}]`),
  ])
}

function checkScope(scope: unknown, path: string): Problem[] {
  if (!isRecord(scope)) return [{ path, code: 'not_mapping' }]
  const problems = Object.keys(scope)
    .filter((key) => !scopeKeys.includes(key))
    .map((key) => unknownKey(path, key, scopeKeys))
  const { name, description } = scope
  if (typeof name !== 'string' || !scopeToken.test(name)) {
    problems.push({ path: `${path}.name`, code: 'not_scope', params: { scope: String(name) } })
  } else if (reservedScopes.includes(name)) {
    problems.push({ path: `${path}.name`, code: 'scope_reserved', params: { scope: name } })
  }
  const isText = typeof description === 'string' && text.test(description) && [...description].length <= 200
  if (description !== undefined && !isText) {
    problems.push({ path: `${path}.description`, code: 'not_text', params: { max: 200 } })
  }
  return problems
}

export const resourceServerDocument = (
  resourceServer: ResourceServer,
): Record<string, unknown> & { scopes: ApiScope[] } => ({
  identifier: resourceServer.identifier,
  name: resourceServer.name,
  scopes: [...resourceServer.scopes],
  token_format: resourceServer.tokenFormat,
  token_lifetime_seconds: resourceServer.tokenLifetimeSeconds,
  signing_algorithm: resourceServer.signingAlgorithm,
  ...(resourceServer.allowedClientIds ? { allowed_clients: [...resourceServer.allowedClientIds] } : {}),
  introspection_clients: [...resourceServer.introspectionClientIds],
})
