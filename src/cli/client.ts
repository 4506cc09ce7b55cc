/** `latchkey client`: which programs may ask for tokens. */

import { clientKinds } from '../clients/client.ts'
import { clientDocument, readClientDocument } from '../clients/document.ts'
import { clientInvalid, clientNotFound } from '../clients/errors.ts'
import { assertionAlgorithms, assertionAudiences } from '../clients/key-set.ts'
import { idTokenAlgorithms } from '../clients/lint.ts'
import { listScopes, oidcScopes } from '../clients/scopes.ts'
import type { Client, ClientWithSecret } from '../clients/service.ts'
import type { Parts } from '../parts.ts'
import type { Problem } from '../problems.ts'
import { nearest } from '../problems.ts'
import { sampleSecrets } from '../seed/samples.ts'
import type { Call, CliCommand, Outcome } from './command.ts'
import { durationMalformed, secretSourceMissing } from './errors.ts'
import { askForSecret, confirm, isInteractive, readJsonObject, readSecretFromStdin } from './input.ts'
import { record, table } from './output.ts'
import { stateOf } from './state.ts'

const clientId = { syntax: '<client-id>', text: 'cli.client.id' }
const secretOptions = [
  { flags: '--secret-stdin', text: 'cli.client.secretStdin' },
  { flags: '--secret-prompt', text: 'cli.client.secretPrompt' },
]

/** A secret that somebody brings; undefined when Latchkey is to make one. */
async function readSecret(call: Call): Promise<string | undefined> {
  if (call.options.secretStdin) return readSecretFromStdin(call.io)
  if (!call.options.secretPrompt) return undefined
  if (!isInteractive(call.io)) throw secretSourceMissing()
  return askForSecret(call, call.t('cli.ask.clientSecret'))
}

const shown = ({ client, secret }: ClientWithSecret, t: Call['t']): Outcome => {
  const document = clientDocument(client)
  const data = secret === undefined ? document : { ...document, client_secret: secret }
  const made = secret === undefined ? [] : [t('cli.client.secret'), secret]
  return { data, text: [record(document), ...made].join('\n') }
}

async function getClient(clients: Parts['clients'], id: string): Promise<Client> {
  const found = await clients.findById(id)
  if (!found) throw clientNotFound({ params: { clientId: id } })
  return found
}

/** What the options say, in the names of RFC 7591. */
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

/** A misspelled scope would only show as a refusal at run time. */
async function unknownScopes(scope: unknown, { resourceServers }: Parts): Promise<Problem[]> {
  if (typeof scope !== 'string') return []
  const apis = await resourceServers.list()
  const known = [...oidcScopes, ...apis.flatMap(({ scopes }) => scopes.map(({ name }) => name))]
  return listScopes(scope)
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: 'scope', code: 'unknown_scope', params: { scope: name, nearest: nearest(name, known) } }))
}

const add: CliCommand = {
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
    const refusedSecrets = isDevelopment ? [] : sampleSecrets
    const parts = await openParts()
    const { input, problems } = readClientDocument(document, { isDevelopment, refusedSecrets })
    const all = [...problems, ...(await unknownScopes(document.scope, parts))]
    if (all.length > 0) throw clientInvalid(all)
    return shown(await parts.clients.add(input, by), t)
  },
}

const list: CliCommand = {
  name: 'client list',
  about: 'cli.client.list.about',
  examples: ['latchkey client list', 'latchkey client list --json'],
  run: async ({ openParts, t }) => {
    const found = await (await openParts()).clients.list()
    const head = [
      t('cli.columns.id'),
      t('cli.columns.name'),
      t('cli.columns.kind'),
      t('cli.columns.redirectUris'),
      t('cli.columns.state'),
    ]
    const rows = found.map(({ clientId: id, kind, metadata, isDisabled }) => [
      id,
      metadata.client_name,
      kind,
      metadata.redirect_uris,
      stateOf(isDisabled, t),
    ])
    return { data: { clients: found.map(clientDocument) }, text: table(head, rows) }
  },
}

const show: CliCommand = {
  name: 'client show',
  about: 'cli.client.show.about',
  arguments: [clientId],
  examples: ['latchkey client show demo-web'],
  run: async ({ args: [id = ''], openParts, t }) => {
    const client = await getClient((await openParts()).clients, id)
    return shown({ client, secret: undefined }, t)
  },
}

const remove: CliCommand = {
  name: 'client remove',
  about: 'cli.client.remove.about',
  arguments: [clientId],
  options: [{ flags: '--yes', text: 'cli.yes' }],
  examples: ['latchkey client remove demo-web --yes'],
  run: async (call) => {
    const { args, options, io, openParts, by, t } = call
    const [id = ''] = args
    const { clients } = await openParts()
    const { metadata } = await getClient(clients, id)
    const question = t('cli.client.confirmRemoval', { id, name: metadata.client_name })
    const isSure = options.yes === true || !isInteractive(io) || (await confirm(call, question))
    if (!isSure) return { data: { removed: null }, text: t('cli.unchanged') }
    await clients.remove(id, by)
    return { data: { removed: id }, text: t('cli.removed', { id }) }
  },
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `90s`, `30m`, `24h`, `7d` in seconds; nothing is 0. Throws `duration_malformed`. */
function readDuration(text: unknown): number {
  if (text === undefined) return 0
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(String(text)) ?? []
  const seconds = unitSeconds[unit]
  if (seconds === undefined) throw durationMalformed({ params: { text: String(text) } })
  return Number(count) * seconds
}

const rotateSecret: CliCommand = {
  name: 'client rotate-secret',
  about: 'cli.client.rotateSecret.about',
  arguments: [clientId],
  options: [{ flags: '--keep-old <time>', text: 'cli.client.keepOld' }, ...secretOptions],
  examples: ['latchkey client rotate-secret demo-web', 'latchkey client rotate-secret demo-web --keep-old 24h --json'],
  run: async (call) => {
    const secret = await readSecret(call)
    const overlapSeconds = readDuration(call.options.keepOld)
    const { clients } = await call.openParts()
    return shown(
      await clients.rotateSecret(
        call.args[0] ?? '',
        { ...(secret === undefined ? {} : { secret }), overlapSeconds },
        call.by,
      ),
      call.t,
    )
  },
}

const disable: CliCommand = {
  name: 'client disable',
  about: 'cli.client.disable.about',
  arguments: [clientId],
  examples: ['latchkey client disable demo-web'],
  run: async ({ args: [id = ''], openParts, by, t }) => {
    await (await openParts()).clients.disable(id, by)
    return { data: { client_id: id, disabled: true }, text: t('cli.isDisabled', { id }) }
  },
}

const enable: CliCommand = {
  name: 'client enable',
  about: 'cli.client.enable.about',
  arguments: [clientId],
  examples: ['latchkey client enable demo-web'],
  run: async ({ args: [id = ''], openParts, by, t }) => {
    await (await openParts()).clients.enable(id, by)
    return { data: { client_id: id, disabled: false }, text: t('cli.isEnabled', { id }) }
  },
}

export const clientCommands: readonly CliCommand[] = [add, list, show, remove, rotateSecret, disable, enable]
