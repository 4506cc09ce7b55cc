/** The parts of a token endpoint grant: a grant without one of them does not compile. */
import type { Configuration, Provider, TokenEndpointGrantContext } from 'oidc-provider'
import type { ModelName } from '../../../adapters/index.ts'
import type { PolicyName } from '../../limits/policies.ts'
import type { RefreshPolicy } from '../refresh-lifetimes.ts'

export type GrantContext = TokenEndpointGrantContext
export type GrantHandler = Parameters<Provider['registerGrantType']>[1]

/** The engine features that enable its own grants. */
export type GrantFeatures = Pick<NonNullable<Configuration['features']>, 'clientCredentials' | 'deviceFlow' | 'ciba'>

export type CheckDeps = {
  /** The scopes of OpenID Connect, without those of APIs. */
  offeredScopes: readonly string[]
  refreshPolicy: Pick<RefreshPolicy, 'keepAlive'>
}

/** A check throws one of the engine's errors. */
type Check = (request: GrantRequest, deps: CheckDeps) => Promise<void> | void

export type GrantRequest = {
  ctx: GrantContext
  /** The value as received: the handler may change the parameter. */
  requestedScope: string | undefined
}

/** `by`: the authenticated client, or the engine's grant of the spent artifact. */
export type GrantLimit = Readonly<{ policy: PolicyName; by: 'client' | 'grant' }> | Readonly<{ none: string }>

export type Grant = Readonly<{
  type: string
  /** The features that enable the engine's handler, or our own handler. */
  handler: Readonly<{ features: GrantFeatures }> | Readonly<{ parameters: readonly string[]; handle: GrantHandler }>
  /** The artifact that a request spends and its parameter, or the reason why it spends none. */
  spends: Readonly<{ model: ModelName; parameter: string }> | Readonly<{ none: string }>
  limit: GrantLimit
  /** Runs before anything is spent. */
  before: Check | 'nothing'
  /** Runs after the handler, before anything is written. */
  after: Check | 'nothing'
}>
