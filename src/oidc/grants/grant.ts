/** The parts of a grant of the token endpoint: a grant that leaves one out does not compile. */
import type { Configuration, Provider, TokenEndpointGrantContext } from 'oidc-provider'
import type { ModelName } from '../../../adapters/index.ts'
import type { PolicyName } from '../../limits/policies.ts'
import type { RefreshPolicy } from '../refresh.ts'

export type GrantContext = TokenEndpointGrantContext
export type GrantHandler = Parameters<Provider['registerGrantType']>[1]

/** The features of the engine that switch on its own grants. */
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
  /** As it was received: the handler may change the parameter. */
  requestedScope: string | undefined
}

/** The policy counts the authenticated client, or the engine's grant behind what is spent. */
export type GrantLimit = Readonly<{ policy: PolicyName; by: 'client' | 'grant' }> | Readonly<{ none: string }>

export type Grant = Readonly<{
  type: string
  /** The engine's handler with the features that switch it on, or a handler of ours. */
  handler: Readonly<{ features: GrantFeatures }> | Readonly<{ parameters: readonly string[]; handle: GrantHandler }>
  /** The artifact that a request spends and its parameter, or the reason why there is none. */
  spends: Readonly<{ model: ModelName; parameter: string }> | Readonly<{ none: string }>
  limit: GrantLimit
  /** Before anything is spent. */
  before: Check | 'nothing'
  /** After the handler, before anything is written. */
  after: Check | 'nothing'
}>
