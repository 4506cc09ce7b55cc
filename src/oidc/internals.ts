/**
 * What no documented option of the engine can do. Each entry has a reason here and a test in
 * test/oidc/internals.test.ts.
 */

import type { Configuration, Client as EngineClient, TokenEndpointGrantContext } from 'oidc-provider'
import { errors, Provider } from 'oidc-provider'
import type { Client } from '../clients/client.ts'
import { routes } from './endpoints.ts'
import type { UnprovenHint } from './id-token-hint.ts'
import { isPlainIdToken } from './id-token-hint.ts'
import { keySetPeriod } from './key-sets.ts'

type ResponseModeHandler = Parameters<Provider['registerResponseMode']>[1]
type GrantHandler = Parameters<Provider['registerGrantType']>[1]

type Names = string | readonly string[] | ReadonlySet<string>

type EngineOptions = {
  issuer: string
  configuration: Configuration
  wrapGrant: (name: string, handler: GrantHandler) => GrantHandler
  formPost: ResponseModeHandler
  clients: { findById: (clientId: string) => Promise<Client | undefined> }
  secretMatches: (client: Client, presented: string) => boolean
  now: () => number
  /** Called with the client id of the request, before the client is authenticated. */
  beforeClient: (clientId: string) => Promise<void>
  unprovenHint: UnprovenHint
  /** The name (`sid`) of a session at one client. */
  sidOf: (sessionUid: string, clientId: string) => string
  /** Whether the port in a URI is written as a plain number. */
  hasPlainPort: (uri: string) => boolean
}

/**
 * A Provider with grant handlers in a unit of work (it must commit before `grant.success` is
 * emitted), our form_post page (the engine's has an inline script), and clients from our cache. The
 * options are in a closure, because the engine's constructor calls the overridden methods.
 */
export function createEngine(options: EngineOptions): Provider {
  class Engine extends Provider {
    override registerGrantType<Params extends object>(
      name: string,
      handler: (ctx: TokenEndpointGrantContext<Params>) => void | Promise<void>,
      params?: Names,
      duplicates?: Names,
    ): void {
      super.registerGrantType(name, options.wrapGrant(name, handler as GrantHandler), params, duplicates)
    }

    override registerResponseMode(name: string, handler: ResponseModeHandler): void {
      super.registerResponseMode(name, name === 'form_post' ? options.formPost : handler)
    }
  }
  const engine = new Engine(options.issuer, options.configuration)
  useOwnClients(engine, options)
  refuseOddPorts(engine, options)
  takeUnprovenHints(engine, options)
  deriveSids(engine, options)
  dropLostSessions(engine)
  storeNothingAtLogout(engine)
  recheckLogoutRedirect(engine, options.issuer)
  return engine
}

/**
 * Client.find: the engine hashes the metadata at every look-up and caches a hundred clients. Our
 * cache keeps the engine's client while our record is the same object (with a `jwks_uri`, for one
 * period). Guesses are refused here, before any comparison.
 * compareClientSecret: our secrets are keyed digests, and two may be valid. includeSid: `sid` is in
 * every ID token, because RP-initiated logout compares it (OpenID Connect Back-Channel Logout 1.0
 * §2.1 allows it).
 */
function useOwnClients(engine: Provider, { clients, secretMatches, now, beforeClient }: EngineOptions) {
  const engineClients = new WeakMap<Client, { client: EngineClient; period: number }>()
  const records = new WeakMap<EngineClient, Client>()
  const { Client } = engine
  const build = Client.find.bind(Client)

  Client.find = async (id) => {
    if (typeof id !== 'string' || id === '') return undefined
    await beforeClient(id)
    const record = await clients.findById(id)
    if (!record || record.isDisabled) return undefined
    const known = engineClients.get(record)
    const period = record.metadata.jwks_uri === undefined ? 0 : keySetPeriod(now())
    if (known?.period === period) return known.client
    const built = await build(id)
    if (built) {
      engineClients.set(record, { client: built, period })
      records.set(built, record)
    }
    return built
  }
  Client.prototype.compareClientSecret = function compare(presented) {
    const record = records.get(this)
    return record !== undefined && secretMatches(record, presented)
  }
  Client.prototype.includeSid = () => true
}

/**
 * Client.redirectUriAllowed, Client.postLogoutRedirectUriAllowed: where any port is allowed (RFC
 * 8252 §7.3) the engine accepts `:` and `:080`. For both, a browser uses port 80, where another
 * program may listen.
 */
function refuseOddPorts(engine: Provider, { hasPlainPort }: EngineOptions) {
  const { prototype } = engine.Client
  const { redirectUriAllowed, postLogoutRedirectUriAllowed } = prototype
  prototype.redirectUriAllowed = function isAllowed(uri) {
    return hasPlainPort(uri) && redirectUriAllowed.call(this, uri)
  }
  prototype.postLogoutRedirectUriAllowed = function isAllowed(uri) {
    return hasPlainPort(uri) && postLogoutRedirectUriAllowed.call(this, uri)
  }
}

/**
 * IdToken.validate: at the authorization endpoint a hint with a removed key is no error
 * (`id-token-hint.ts`). The engine has no hook for it.
 */
function takeUnprovenHints(engine: Provider, { unprovenHint }: EngineOptions) {
  const { IdToken } = engine
  const validate = IdToken.validate.bind(IdToken)
  IdToken.validate = async (jwt, client) => {
    // At logout an unverifiable hint must not be treated as a verified one.
    const isLogout = Provider.ctx?.oidc.route === 'end_session'
    if (!isPlainIdToken(jwt)) throw new errors.InvalidRequest('id_token_hint is not an ID token of this server')
    return (isLogout ? undefined : unprovenHint(jwt, client)) ?? validate(jwt, client)
  }
}

/**
 * Session.ensureClientContainer: the engine creates a random `sid` in every tab and keeps the last
 * one. Derived from session and client it is equal in all tabs (Back-Channel Logout 1.0 §2.1).
 */
function deriveSids(engine: Provider, { sidOf }: EngineOptions) {
  const { Session } = engine
  Session.prototype.ensureClientContainer = function ensure(clientId) {
    if (this.sidFor(clientId) === undefined) this.sidFor(clientId, sidOf(this.uid, clientId))
  }
}

/**
 * Session.instantiate: for a lost session the engine stores and sends an empty one, which would
 * replace the cookie of a session that another tab has renamed. Here the new session is kept only
 * when it is used.
 */
function dropLostSessions(engine: Provider) {
  const { Session } = engine
  const instantiate = Session.instantiate.bind(Session)
  Session.instantiate = (payload) => instantiate(payload && Object.keys(payload).length > 0 ? payload : undefined)
}

/**
 * Session.get: at logout the engine would store a new session for an hour, at each anonymous
 * request. A session without an account stays unchanged here: it is neither stored nor sent.
 */
function storeNothingAtLogout(engine: Provider) {
  const { Session } = engine
  const get = Session.get.bind(Session)
  Session.get = async (ctx) => {
    const session = await get(ctx)
    // Our own pages call this outside the engine, without `oidc`.
    if (ctx.oidc?.route === 'end_session' && session.new && session.accountId === undefined) {
      Object.defineProperty(session, 'touched', { value: false, writable: false, configurable: false })
    }
    return session
  }
}

/**
 * Session.get: the engine checks `post_logout_redirect_uri` when it asks the user (RP-Initiated
 * Logout 1.0 §3), not at the answer. A URI or client that was removed meanwhile is not used. A
 * resumed authorization has our own URL.
 */
function recheckLogoutRedirect(engine: Provider, issuer: string) {
  const { Client, Session } = engine
  const get = Session.get.bind(Session)
  Session.get = async (ctx) => {
    const session = await get(ctx)
    const state = (session.state ?? {}) as { clientId?: string; postLogoutRedirectUri?: string }
    const { clientId, postLogoutRedirectUri } = state
    if (ctx.oidc?.route !== 'end_session_confirm' || postLogoutRedirectUri === undefined) return session
    if (postLogoutRedirectUri.startsWith(`${issuer}${routes.authorization}/`)) return session
    const client = clientId === undefined ? undefined : await Client.find(clientId)
    if (!client?.postLogoutRedirectUriAllowed(postLogoutRedirectUri)) delete state.postLogoutRedirectUri
    return session
  }
}

/**
 * OIDCContext.acr: a token contains the requested class when a stronger one was reached (OpenID
 * Connect Core 1.0 §5.5.1.1: the value "MUST" be one of those). The engine always uses the
 * session's class.
 */
export function answerAcr(oidc: object, acr: string): void {
  Object.defineProperty(oidc, 'acr', { value: acr, configurable: true })
}
