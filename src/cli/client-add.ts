/** `latchkey client add`: a client from options, from a file of metadata, or from both. */
import { clientKinds } from '../clients/client.ts'
import { readClientDocument } from '../clients/document.ts'
import { clientInvalid } from '../clients/errors.ts'
import { assertionAlgorithms, assertionAudiences } from '../clients/key-set.ts'
import { idTokenAlgorithms } from '../clients/lint.ts'
import { listScopes, oidcScopes } from '../clients/scopes.ts'
import type { Parts } from '../compose/parts.ts'
import type { Problem } from '../problems.ts'
import { nearest } from '../problems.ts'
import { listRefusedSecrets } from '../seed/samples.ts'
import { readSecret, secretOptions, shown } from './client-secret.ts'
import type { Call, CliCommand } from './command.ts'
import { readJsonObject } from './input.ts'

/** The options under their names in RFC 7591. */
function documentOf(options: Call['options']): Record<string, unknown> {
  const document = {
    kind: options.kind,
    client_id: options.id,
    client_name: options.name,
    redirect_uris: options.redirectUri,
    post_logout_redirect_uris: options.postLogoutRedirectUri,
    scope: options.scope,
    grant_types: options.grantType,
    token_endpoint_auth_method: options.authMethod,
    id_token_signed_response_alg: options.idTokenAlg,
    first_party: options.firstParty,
    require_pkce: options.pkce === false ? false : undefined,
    refresh_grace_seconds: options.refreshGraceSeconds,
    refresh_rotation: options.refreshRotation === false ? false : undefined,
    refresh_idle_seconds: options.refreshIdleSeconds,
    refresh_absolute_seconds: options.refreshAbsoluteSeconds,
    jwks_uri: options.jwksUri,
    token_endpoint_auth_signing_alg: options.authSigningAlg,
    client_assertion_audience: options.assertionAudience,
    require_pushed_authorization_requests: options.requirePushedRequests,
    dpop_bound_access_tokens: options.dpop,
    default_resource: options.defaultResource,
    backchannel_logout_uri: options.backchannelLogoutUri,
  }
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined))
}

/** Without this check, a misspelled scope is only found when a request is refused. */
async function unknownScopes(scope: unknown, { resourceServers }: Parts): Promise<Problem[]> {
  if (typeof scope !== 'string') return []
  const apis = await resourceServers.list()
  const known = [...oidcScopes, ...apis.flatMap(({ scopes }) => scopes.map(({ name }) => name))]
  return listScopes(scope)
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: 'scope', code: 'unknown_scope', params: { scope: name, nearest: nearest(name, known) } }))
}

export const addClient: CliCommand = {
  name: 'client add',
  about: 'cli.client.add.about',
  options: [
    { flags: '--kind <kind>', text: 'cli.client.kind', choices: clientKinds },
    { flags: '--name <name>', text: 'cli.client.name' },
    { flags: '--id <client-id>', text: 'cli.client.ownId' },
    { flags: '--redirect-uri <uri>', text: 'cli.client.redirectUri', isRepeated: true },
    { flags: '--post-logout-redirect-uri <uri>', text: 'cli.client.postLogoutRedirectUri', isRepeated: true },
    { flags: '--backchannel-logout-uri <uri>', text: 'cli.client.backchannelLogoutUri' },
    { flags: '--scope <scopes>', text: 'cli.client.scope' },
    { flags: '--grant-type <type>', text: 'cli.client.grantType', isRepeated: true },
    { flags: '--auth-method <method>', text: 'cli.client.authMethod' },
    { flags: '--id-token-alg <alg>', text: 'cli.client.idTokenAlg', choices: idTokenAlgorithms },
    { flags: '--first-party', text: 'cli.client.firstParty' },
    { flags: '--no-pkce', text: 'cli.client.noPkce' },
    { flags: '--refresh-grace-seconds <n>', text: 'cli.client.refreshGrace', isWholeNumber: true },
    { flags: '--no-refresh-rotation', text: 'cli.client.noRefreshRotation' },
    { flags: '--refresh-idle-seconds <n>', text: 'cli.client.refreshIdle', isWholeNumber: true },
    { flags: '--refresh-absolute-seconds <n>', text: 'cli.client.refreshAbsolute', isWholeNumber: true },
    { flags: '--jwks <file>', text: 'cli.client.jwks' },
    { flags: '--jwks-uri <uri>', text: 'cli.client.jwksUri' },
    { flags: '--auth-signing-alg <alg>', text: 'cli.client.authSigningAlg', choices: assertionAlgorithms },
    { flags: '--assertion-audience <which>', text: 'cli.client.assertionAudience', choices: assertionAudiences },
    { flags: '--require-pushed-requests', text: 'cli.client.requirePushedRequests' },
    { flags: '--dpop', text: 'cli.client.dpop' },
    { flags: '--default-resource <uri>', text: 'cli.client.defaultResource' },
    { flags: '--metadata <file>', text: 'cli.client.metadata' },
    ...secretOptions,
  ],
  examples: [
    'latchkey client add --kind web --name "Shop" --redirect-uri https://shop.example/callback',
    'latchkey client add --kind spa --name "Notes" --id notes --redirect-uri https://notes.example/ --scope "openid profile"',
    'latchkey client add --kind machine --name "Nightly job" --scope "api:read" --json',
    'latchkey client add --kind machine --name "Nightly job" --auth-method private_key_jwt --jwks public-keys.json',
    'latchkey client add --metadata client.json --secret-stdin < secret.txt',
  ],
  run: async (call) => {
    const { options, io, openParts, readConfig, by, t } = call
    const file = typeof options.metadata === 'string' ? await readJsonObject(io, options.metadata) : {}
    const jwks = typeof options.jwks === 'string' ? await readJsonObject(io, options.jwks) : undefined
    const secret = await readSecret(call)
    const document: Record<string, unknown> = {
      ...file,
      ...documentOf(options),
      ...(jwks && { jwks: 'keys' in jwks ? jwks : { keys: [jwks] } }),
      ...(secret === undefined ? {} : { client_secret: secret }),
    }
    const config = readConfig()
    const isDevelopment = 'config' in config && config.config.environment !== 'production'
    const refusedSecrets = 'config' in config ? listRefusedSecrets(config.config.environment) : []
    const parts = await openParts()
    const { input, problems } = readClientDocument(document, { isDevelopment, refusedSecrets })
    const all = [...problems, ...(await unknownScopes(document.scope, parts))]
    if (all.length > 0) throw clientInvalid(all)
    return shown(await parts.clients.add(input, by), t)
  },
}
