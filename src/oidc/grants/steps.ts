/** The steps around every grant's handler: limit, keys, checks, and one unit of work. */
import type { Provider } from 'oidc-provider'
import { errors } from 'oidc-provider'
import type { ArtifactStore } from '../../../adapters/index.ts'
import { asEngineFailure } from '../errors.ts'
import type { EngineLimits } from '../limits.ts'
import type { CheckDeps, Grant, GrantContext, GrantFeatures, GrantHandler } from './grant.ts'

type Deps = {
  grants: readonly Grant[]
  artifacts: Pick<ArtifactStore, 'wrapGrant'>
  limits: Pick<EngineLimits, 'beforeGrant'>
  /** Throws when the keys may be out of date. */
  confirmKeys: () => Promise<void>
  /** The client of our own pages. It is used for sign-in and gets no tokens. */
  tokenlessClientId: string
  /** Gives a `resource` as it was registered. */
  registeredResource: (resource: string | string[]) => Promise<string | string[]>
  checks: CheckDeps
}

/**
 * Gives the wrapper of a handler. The wrapper throws for an engine grant that is not in the list.
 */
export function createGrantSteps({ grants, artifacts, limits, confirmKeys, checks, ...deps }: Deps) {
  return (type: string, handler: GrantHandler): GrantHandler => {
    const grant = grants.find((one) => one.type === type)
    if (!grant) throw new Error(`the grant ${type} has no file in src/oidc/grants`)
    const { before, after } = grant

    const wrapped = artifacts.wrapGrant(async (ctx: GrantContext): Promise<void> => {
      // A process that missed a change of the keys must not sign. This check is before anything is
      // spent.
      await confirmKeys()
      const { client, params } = ctx.oidc
      // Our pages use the session, so a leaked code of this client has no value.
      if (client.clientId === deps.tokenlessClientId) throw new errors.InvalidGrant('this client gets no tokens')
      const request = { ctx, requestedScope: params.scope }
      if (before !== 'nothing') await before(request, checks)
      if (params.resource !== undefined) params.resource = await deps.registeredResource(params.resource)
      await handler(ctx)
      if (after !== 'nothing') await after(request, checks)
      // Checked again before the write: no token is sent that a meanwhile revoked key has signed.
      await confirmKeys()
    })

    return (ctx) =>
      asEngineFailure(async () => {
        await limits.beforeGrant(ctx, grant)
        await wrapped(ctx)
      })
  }
}

export function grantFeatures(grants: readonly Grant[]): GrantFeatures {
  return Object.assign({}, ...grants.map(({ handler }) => ('features' in handler ? handler.features : {})))
}

/** Registers the grants with our own handlers. The engine registers its own grants. */
export function registerGrants(provider: Pick<Provider, 'registerGrantType'>, grants: readonly Grant[]): void {
  for (const { type, handler } of grants) {
    if (!('handle' in handler)) continue
    const { parameters, handle } = handler
    // RFC 8707 §2.2: every grant takes `resource`, which may be repeated.
    provider.registerGrantType(type, handle, [...parameters, 'resource'], ['resource'])
  }
}
