/** What no documented option of the engine can do. Every entry has its reason here and a test in test/oidc/internals.test.ts. */

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
  /** Asked with the id that a request names, before it is known whether that is true. */
  beforeClient: (clientId: string) => Promise<void>
  unprovenHint: UnprovenHint
  /** The name of a session at one client. */
  sidOf: (sessionUid: string, clientId: string) => string
  /** Whether the port in an address is written as a number. */
  hasPlainPort: (uri: string) => boolean
}

/**
 * A Provider whose grant handlers run in a unit of work (the flush must decide before `grant.success` is emitted), whose form_post page is
 * ours (the engine's has an inline script), and whose clients come from our cache. The engine's constructor registers its own grants and
 * response modes through these two public methods, before a subclass has fields: hence the closure.
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
 * Client.find: the engine serialises and hashes a client's metadata at every look-up and keeps a hundred; ours remembers the engine's client as
 * long as our record is the same object (and, with a published key set, for its period), and whoever guesses is refused here, where the
 * id is known and nothing is compared yet. compareClientSecret: our secrets are keyed digests, and two may live. includeSid: `sid` in every ID
 * token, not only for back-channel logout (OpenID Connect Back-Channel Logout 1.0 §2.1 allows it; RP-initiated logout compares it).
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
 * Client.redirectUriAllowed, Client.postLogoutRedirectUriAllowed: where the port is free (RFC 8252 §7.3) the engine takes `:` and `:080` for
 * one. A browser goes to port 80 for both, which is another program than the one that asked.
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

/** IdToken.validate: at the authorization endpoint a hint whose key is gone is no error (`id-token-hint.ts`); the engine has no hook for that. */
function takeUnprovenHints(engine: Provider, { unprovenHint }: EngineOptions) {
  const { IdToken } = engine
  const validate = IdToken.validate.bind(IdToken)
  IdToken.validate = async (jwt, client) => {
    // At logout a hint that proves nothing must not even look as if it did.
    const isLogout = Provider.ctx?.oidc.route === 'end_session'
    if (!isPlainIdToken(jwt)) throw new errors.InvalidRequest('id_token_hint is not an ID token of this server')
    return (isLogout ? undefined : unprovenHint(jwt, client)) ?? validate(jwt, client)
  }
}

/**
 * Session.ensureClientContainer: the engine draws a random `sid` in every tab, and the last tab's stays. Derived from the session and
 * the client it is the same in all of them (OpenID Connect Back-Channel Logout 1.0 §2.1).
 */
function deriveSids(engine: Provider, { sidOf }: EngineOptions) {
  const { Session } = engine
  Session.prototype.ensureClientContainer = function ensure(clientId) {
    if (this.sidFor(clientId) === undefined) this.sidFor(clientId, sidOf(this.uid, clientId))
  }
}

/**
 * Session.instantiate: for a cookie whose session is gone the engine makes an empty one that is stored and sent in any case. A tab that was
 * under way while another one renamed the session would so replace the good cookie. Here it is a new session: kept only when it is used.
 */
function dropLostSessions(engine: Provider) {
  const { Session } = engine
  const instantiate = Session.instantiate.bind(Session)
  Session.instantiate = (payload) => instantiate(payload && Object.keys(payload).length > 0 ? payload : undefined)
}

/**
 * Session.get: at logout the engine writes a state into a session that is new, and so stores it for an hour for each request of a stranger.
 * Nobody is signed in there: it stays untouched, and is neither stored nor sent.
 */
function storeNothingAtLogout(engine: Provider) {
  const { Session } = engine
  const get = Session.get.bind(Session)
  Session.get = async (ctx) => {
    const session = await get(ctx)
    // A page of ours asks without the engine.
    if (ctx.oidc?.route === 'end_session' && session.new && session.accountId === undefined) {
      Object.defineProperty(session, 'touched', { value: false, writable: false, configurable: false })
    }
    return session
  }
}

/**
 * Session.get: the engine compares `post_logout_redirect_uri` when the person is asked (RP-Initiated Logout 1.0 §3), and not when the person
 * answers. An address or a client that was taken away meanwhile is not gone back to. An authorization that goes on is at our own address.
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
 * OIDCContext.acr: a token says the class that was asked for, where a stronger one was reached (OpenID Connect Core 1.0 §5.5.1.1: the value
 * "MUST" be one of those); the engine always says that of the session.
 */
export function answerAcr(oidc: object, acr: string): void {
  Object.defineProperty(oidc, 'acr', { value: acr, configurable: true })
}
