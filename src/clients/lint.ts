/** Checks a client's metadata and flags. Returns the problems and the completed metadata. */
import type { Problem } from '../problems.ts'
import { checkOneOf, unknownKey } from '../problems.ts'
import type { ClientInput, ClientMetadata } from './client.ts'
import { clientKinds } from './client.ts'
import type { ClientFlags } from './flags.ts'
import { checkFlags } from './flags.ts'
import { checkKeySet, impliedAlgorithm, keyMethod } from './key-set.ts'
import type { ClientProfile } from './profiles.ts'
import { clientProfiles } from './profiles.ts'
import { isOidcScope, listScopes, scopeToken } from './scopes.ts'
import type { UriRules } from './uris.ts'
import { checkUri } from './uris.ts'
import { checkEach, checkList, checkWithin, isAnything, isEmptyList, year } from './value-checks.ts'

export const metadataKeys = [
  'client_name',
  'redirect_uris',
  'post_logout_redirect_uris',
  'grant_types',
  'response_types',
  'scope',
  'token_endpoint_auth_method',
  'id_token_signed_response_alg',
  'application_type',
  'client_uri',
  'policy_uri',
  'tos_uri',
  'initiate_login_uri',
  'contacts',
  'default_max_age',
  'require_auth_time',
  'default_acr_values',
  'subject_type',
  'allowed_origins',
  'default_resource',
  'jwks',
  'jwks_uri',
  'token_endpoint_auth_signing_alg',
  'client_assertion_audience',
  'require_pushed_authorization_requests',
  'dpop_bound_access_tokens',
  'backchannel_logout_uri',
  'backchannel_logout_session_required',
  'token_requests_per_minute',
]
/** The supported algorithms. `check.ts` checks which of them are configured. */
export const idTokenAlgorithms = ['RS256', 'ES256', 'EdDSA', 'PS256', 'ES384', 'ES512']

const booleanKeys = [
  'require_auth_time',
  'require_pushed_authorization_requests',
  'dpop_bound_access_tokens',
  'backchannel_logout_session_required',
]

type Metadata = Readonly<Record<string, unknown>>
type Place = { profile: ClientProfile; rules: UriRules }

/**
 * `isDevelopment` allows loopback http for every kind. Use the returned metadata only when
 * `problems` is empty.
 */
export function validateClient(
  input: Pick<ClientInput, 'kind' | 'metadata'> & ClientFlags,
  { isDevelopment }: { isDevelopment: boolean },
): { metadata: ClientMetadata; problems: Problem[] } {
  const profile: ClientProfile | undefined = clientProfiles[input.kind]
  if (!profile) {
    const problem = { path: 'kind', code: 'not_one_of', params: { allowed: clientKinds.join(', ') } }
    return { metadata: complete(input.metadata, clientProfiles.web), problems: [problem] }
  }
  const rules = { allowsLoopbackHttp: profile.isNative || isDevelopment, allowsPrivateScheme: profile.isNative }
  const context = { profile, rules }
  const given = withoutUndefined(input.metadata)
  const problems = [
    ...checkFlags(input, profile),
    ...Object.keys(given).flatMap((key) => checkKey(key)),
    ...checkName(given.client_name),
    ...checkRedirects(given, context),
    ...checkProtocol(given, context),
    ...checkKeySet(given, given.token_endpoint_auth_method ?? profile.authMethods[0], outboundUriRules(isDevelopment)),
    ...checkScope(given.scope, profile),
    ...checkBackchannel(given, profile, outboundUriRules(isDevelopment)),
    ...checkOptional(given, context),
  ]
  return { metadata: complete(given, profile), problems }
}

/** Back-Channel Logout 1.0 §2.2: https, no fragment, and a client with user sessions. */
function checkBackchannel(given: Metadata, profile: ClientProfile, rules: UriRules): Problem[] {
  const uri = given.backchannel_logout_uri
  if (uri === undefined) return []
  if (!profile.hasRedirects) return [{ path: 'backchannel_logout_uri', code: 'machine_has_no_redirects' }]
  return checkUri(uri, 'backchannel_logout_uri', rules)
}

/** For URLs that this server calls. In development `OUTBOUND_ALLOW` may permit this machine. */
const outboundUriRules = (isDevelopment: boolean): UriRules => ({
  allowsLoopbackHttp: isDevelopment,
  allowsPrivateScheme: false,
})

function complete(given: Metadata, profile: ClientProfile): ClientMetadata {
  const grantTypes = Array.isArray(given.grant_types) ? given.grant_types : profile.defaultGrantTypes
  const name = given.client_name
  const scope = given.scope
  return {
    redirect_uris: [],
    post_logout_redirect_uris: [],
    response_types: grantTypes.includes('authorization_code') ? ['code'] : [],
    token_endpoint_auth_method: profile.authMethods[0] as string,
    id_token_signed_response_alg: 'RS256',
    application_type: profile.applicationType,
    ...(given.token_endpoint_auth_method === keyMethod && {
      token_endpoint_auth_signing_alg: impliedAlgorithm(given),
      client_assertion_audience: 'any',
    }),
    ...given,
    grant_types: grantTypes,
    client_name: typeof name === 'string' ? name.trim().normalize('NFC') : '',
    scope: typeof scope === 'string' ? listScopes(scope).join(' ') : profile.defaultScope,
  }
}

function checkKey(key: string): Problem[] {
  // An external logo would reveal to its server which user views the consent page.
  if (key === 'logo_uri') return [{ path: key, code: 'logo_refused' }]
  return metadataKeys.includes(key) ? [] : [unknownKey('', key, metadataKeys)]
}

function checkName(name: unknown): Problem[] {
  if (typeof name !== 'string' || name.trim() === '') return [{ path: 'client_name', code: 'required' }]
  const problems: Problem[] = []
  if ([...name.trim().normalize('NFC')].length > 64) {
    problems.push({ path: 'client_name', code: 'too_long', params: { max: 64 } })
  }
  // Control and format characters, including bidi marks, can disguise a name.
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(name)) problems.push({ path: 'client_name', code: 'name_character' })
  return problems
}

function checkRedirects(given: Metadata, { profile, rules }: Place): Problem[] {
  const problems = ['redirect_uris', 'post_logout_redirect_uris'].flatMap((key) => {
    const value = given[key]
    if (value === undefined) return []
    if (!Array.isArray(value)) return checkList(key, value)
    if (value.length > 0 && !profile.hasRedirects) return [{ path: key, code: 'machine_has_no_redirects' }]
    return [
      ...checkList(key, value, isAnything),
      ...value.flatMap((uri, index) => checkUri(uri, `${key}[${index}]`, rules)),
    ]
  })
  const isEmpty = given.redirect_uris === undefined || isEmptyList(given.redirect_uris)
  const grantTypes = given.grant_types ?? profile.defaultGrantTypes
  const needsOne = Array.isArray(grantTypes) && grantTypes.includes('authorization_code')
  if (isEmpty && needsOne && profile.hasRedirects) problems.push({ path: 'redirect_uris', code: 'required' })
  return problems
}

function checkProtocol(given: Metadata, { profile }: Place): Problem[] {
  const grantTypes = given.grant_types ?? profile.defaultGrantTypes
  const usesCode = Array.isArray(grantTypes) && grantTypes.includes('authorization_code')
  const problems = [
    ...checkEach('grant_types', given.grant_types, profile.grantTypes),
    ...checkEach('response_types', given.response_types, usesCode ? ['code'] : []),
    ...checkOneOf('token_endpoint_auth_method', given.token_endpoint_auth_method, profile.authMethods),
    ...checkOneOf('id_token_signed_response_alg', given.id_token_signed_response_alg, idTokenAlgorithms),
    ...checkOneOf('application_type', given.application_type, [profile.applicationType]),
    ...checkOneOf('subject_type', given.subject_type, ['public']),
  ]
  if (isEmptyList(given.grant_types)) problems.push({ path: 'grant_types', code: 'required' })
  if (usesCode && isEmptyList(given.response_types)) problems.push({ path: 'response_types', code: 'required' })
  if (Array.isArray(grantTypes) && grantTypes.includes('refresh_token') && !usesCode) {
    problems.push({ path: 'grant_types', code: 'refresh_needs_code' })
  }
  return problems
}

function checkScope(scope: unknown, profile: ClientProfile): Problem[] {
  if (scope === undefined) return []
  if (typeof scope !== 'string') return [{ path: 'scope', code: 'not_string' }]
  if (scope.length > 1000) return [{ path: 'scope', code: 'too_long', params: { max: 1000 } }]
  return listScopes(scope).flatMap((token): Problem[] => {
    if (!scopeToken.test(token)) return [{ path: 'scope', code: 'not_scope', params: { scope: token } }]
    if (isOidcScope(token) && !profile.hasRedirects) {
      return [{ path: 'scope', code: 'scope_needs_person', params: { scope: token } }]
    }
    return []
  })
}

function checkOptional(given: Metadata, { rules }: Place): Problem[] {
  const webRules = { ...rules, allowsPrivateScheme: false }
  const problems = ['client_uri', 'policy_uri', 'tos_uri', 'initiate_login_uri'].flatMap((key) =>
    given[key] === undefined ? [] : checkUri(given[key], key, webRules),
  )
  for (const key of ['contacts', 'default_acr_values']) {
    if (given[key] !== undefined) problems.push(...checkList(key, given[key]))
  }
  problems.push(...checkWithin('default_max_age', given.default_max_age, 0, year))
  problems.push(...checkWithin('token_requests_per_minute', given.token_requests_per_minute, 0, 1_000_000))
  for (const key of booleanKeys) {
    if (given[key] !== undefined && typeof given[key] !== 'boolean') problems.push({ path: key, code: 'not_boolean' })
  }
  return [...problems, ...checkResource(given.default_resource), ...checkOrigins(given.allowed_origins, webRules)]
}

/**
 * RFC 8707 §2: an absolute URI without a fragment. Whether the API exists is checked at the token
 * request.
 */
function checkResource(value: unknown): Problem[] {
  const isResource =
    typeof value === 'string' && /^[!-~]{1,2000}$/.test(value) && !value.includes('#') && URL.canParse(value)
  return value === undefined || isResource ? [] : [{ path: 'default_resource', code: 'not_identifier' }]
}

function checkOrigins(value: unknown, rules: UriRules): Problem[] {
  if (value === undefined) return []
  const problems = checkList('allowed_origins', value, isAnything)
  if (!Array.isArray(value)) return problems
  const wrong = value.flatMap((origin, index): Problem[] => {
    const path = `allowed_origins[${index}]`
    const found = checkUri(origin, path, rules)
    if (found.length > 0) return found
    return new URL(origin).origin === origin ? [] : [{ path, code: 'not_origin' }]
  })
  return [...problems, ...wrong]
}

const withoutUndefined = (metadata: Metadata): Metadata =>
  Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined))
