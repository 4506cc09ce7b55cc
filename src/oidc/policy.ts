/** When the user is prompted: the engine's prompts, account selection, and immediate refusals. */

import { decodeJwt } from 'jose'
import type { Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider'
import { errors, interactionPolicy } from 'oidc-provider'
import type { AcrDemand, Level } from '../authentication/levels.ts'
import { acrFor, demandOf, levelOfAcr, reaches } from './acr.ts'
import { responseModes } from './discovery.ts'
import { answerAcr } from './internals.ts'

const { Check, Prompt, base } = interactionPolicy

/** The reason of a login prompt when only the acr of the session is too low. */
export const acrReason = 'acr'

type PolicyDeps = {
  /** The highest level that the user can reach with the enrolled methods. */
  reachable: (accountId: string) => Promise<Level>
}

/**
 * The level that the request demands. The claims parameter is read as sent, because the engine
 * replaces its acr by `acr_values`.
 */
export function demandIn(params: Readonly<Record<string, unknown>>, client: EngineClient): AcrDemand {
  const claims = typeof params.claims === 'string' ? (JSON.parse(params.claims) as { id_token?: { acr?: object } }) : {}
  const { defaultAcrValues } = client as { defaultAcrValues?: readonly string[] }
  return demandOf({
    acr: claims.id_token?.acr,
    acrValues: typeof params.acr_values === 'string' ? params.acr_values.split(' ') : [],
    defaultAcrValues: defaultAcrValues ?? [],
  })
}

/**
 * Replaces two checks of the engine, which do not order the acr values. A voluntary acr is
 * requested once; an essential acr must be reached (OpenID Connect Core 1.0 §5.5.1.1, RFC 9470 §5).
 */
const acrCheck =
  ({ reachable }: PolicyDeps) =>
  async (ctx: KoaContextWithOIDC) => {
    const { oidc } = ctx
    if (!oidc.client) return Check.NO_NEED_TO_PROMPT
    const demand = demandIn(oidc.params ?? {}, oidc.client)
    if (demand.isUnreachable) {
      throw new errors.UnmetAuthenticationRequirements('none of the requested acr values can be reached')
    }
    const { accountId, acr } = oidc.session ?? {}
    const level = levelOfAcr(acr) ?? 'password'
    if (accountId === undefined) return Check.NO_NEED_TO_PROMPT
    if (reaches(level, demand.level)) {
      answerAcr(oidc, acrFor(level, demand))
      return Check.NO_NEED_TO_PROMPT
    }
    const hasJustSignedIn = oidc.result?.login !== undefined
    if (demand.isEssential) {
      if (hasJustSignedIn) throw new errors.UnmetAuthenticationRequirements('the requested acr was not reached')
      return Check.REQUEST_PROMPT
    }
    answerAcr(oidc, acrFor(level, demand))
    if (hasJustSignedIn || oidc.prompts.has('none')) return Check.NO_NEED_TO_PROMPT
    return reaches(await reachable(accountId), demand.level) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT
  }

/**
 * The engine allows `fragment`, but a code must not be sent in it. A check in the metadata would
 * hide the error unsupported_response_type (RFC 6749 §4.1.2.1).
 */
function refuseOtherResponseModes({ oidc }: KoaContextWithOIDC): boolean {
  const mode = oidc.params?.response_mode
  if (mode !== undefined && !responseModes.some((offered) => offered === mode)) {
    throw new errors.UnsupportedResponseMode()
  }
  return Check.NO_NEED_TO_PROMPT
}

/**
 * The client's OpenID Connect scopes as registered now. The engine treats a client without any as
 * unlimited.
 */
const scopesOf = (client: EngineClient): readonly string[] => client.scope?.split(' ') ?? []

/**
 * Runs also for a resumed interaction: a scope that was removed since is refused (RFC 6749
 * §4.1.2.1).
 */
function refuseForeignScopes({ oidc }: KoaContextWithOIDC): boolean {
  const own = oidc.client ? scopesOf(oidc.client) : []
  const foreign = [...oidc.requestParamOIDCScopes].find((scope) => !own.includes(scope))
  if (foreign !== undefined) throw new errors.InvalidScope('requested scope is not allowed', foreign)
  return Check.NO_NEED_TO_PROMPT
}

/** The client may have lost the redirect URI since the request, so the error is shown on a page. */
function refuseRemovedRedirect({ oidc }: KoaContextWithOIDC): boolean {
  if (!oidc.client?.redirectUriAllowed(String(oidc.params?.redirect_uri))) throw new errors.InvalidRedirectUri()
  return Check.NO_NEED_TO_PROMPT
}

/** The scope as the client sent it: in the query, or in the pushed request (RFC 9126 §4). */
function askedScope({ oidc, query }: KoaContextWithOIDC): unknown {
  const { PushedAuthorizationRequest: pushed } = oidc.entities
  return pushed ? decodeJwt(String(pushed.request)).scope : query.scope
}

/** Whether the engine has removed a requested `offline_access` that the client may have. */
function isOfflineAccessDropped({ oidc }: KoaContextWithOIDC, requested: unknown): boolean {
  const has = (scope: unknown) => typeof scope === 'string' && scope.split(' ').includes('offline_access')
  const { client, params } = oidc
  return has(requested) && !has(params?.scope) && !!client?.grantTypeAllowed('refresh_token') && has(client.scope)
}

/**
 * The engine's validator of a parameter, called after its own scope checks. A pushed request keeps
 * its `offline_access`, and the authorization endpoint decides about it.
 */
export async function keepPushedOfflineAccess(ctx: KoaContextWithOIDC): Promise<void> {
  const { route, body, params } = ctx.oidc
  if (route !== 'pushed_authorization_request' || !params || !isOfflineAccessDropped(ctx, body?.scope)) return
  params.scope = `${params.scope ?? ''} offline_access`.trim()
}

/**
 * The engine removes `offline_access` unless `prompt=consent`. OpenID Connect Core 1.0 §11 allows
 * other conditions: an earlier consent, or the consent page that follows. With `prompt=none` only
 * an earlier consent counts.
 */
function restoreOfflineAccess(ctx: KoaContextWithOIDC): boolean {
  const { oidc } = ctx
  if (oidc.route !== 'authorization' || !isOfflineAccessDropped(ctx, askedScope(ctx))) return Check.NO_NEED_TO_PROMPT
  const scope = typeof oidc.params?.scope === 'string' ? oidc.params.scope : ''
  const remembered = oidc.entities.Grant?.getOIDCScope().split(' ').includes('offline_access') ?? false
  if (remembered || !oidc.prompts.has('none')) oidc.params!.scope = `${scope} offline_access`.trim()
  return Check.NO_NEED_TO_PROMPT
}

/**
 * RFC 6749 §3.3: an empty scope has no default here. The engine would request a login and then
 * answer access_denied.
 */
function refuseEmptyScope({ oidc }: KoaContextWithOIDC): boolean {
  if (!oidc.params?.scope) throw new errors.InvalidScope('a scope is required', '')
  return Check.NO_NEED_TO_PROMPT
}

/** Runs only when no prompt remains: then the grant of this authorization is saved. */
async function saveGrant({ oidc }: KoaContextWithOIDC): Promise<boolean> {
  const { Client: client, Grant: grant, Session: session } = oidc.entities
  if (client && grant && !grant.jti) {
    await grant.save()
    session?.grantIdFor(client.clientId, grant.jti)
  }
  return Check.NO_NEED_TO_PROMPT
}

/**
 * The prompts in order: choose an account, sign in, consent. The checks of the first one run for
 * every request.
 */
export function createPolicy(deps: PolicyDeps) {
  const policy = base()
  const login = policy.get('login')
  if (!login) throw new Error('the engine has no login prompt')
  for (const replaced of ['essential_acrs', 'essential_acr']) login.checks.remove(replaced)
  // OpenID Connect Core 1.0 §3.1.2.6: with `prompt=none` the error is login_required.
  // A session does not count when its account was deleted, is disabled, or waits for its deletion.
  const noAccount = ({ oidc }: KoaContextWithOIDC) => oidc.session?.accountId !== undefined && !oidc.account
  login.checks.add(new Check('no_account', 'End-User authentication is required', 'login_required', noAccount))
  login.checks.add(new Check(acrReason, 'a stronger login is required', 'login_required', acrCheck(deps)))
  const offlineAccess = new Check('offline_access', 'offline access is decided, never asked', restoreOfflineAccess)
  const responseMode = new Check('response_mode', 'only offered response modes', refuseOtherResponseModes)
  const emptyScope = new Check('empty_scope', 'nothing is asked for', refuseEmptyScope)
  const foreignScope = new Check('foreign_scope', 'only scopes of the client', refuseForeignScopes)
  const redirect = new Check('redirect_uri', 'only addresses of the client', refuseRemovedRedirect)
  const first = [redirect, offlineAccess, responseMode, foreignScope, emptyScope]
  policy.add(new Prompt({ name: 'select_account', requestable: true }, ...first), 0)
  policy.add(new Prompt({ name: 'grant' }, new Check('grant_saved', 'the grant is written', saveGrant)))
  return policy
}
