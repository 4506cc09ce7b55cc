/** When a person is asked: the engine's own prompts, account selection, and what cannot be obtained said at once. */

import { decodeJwt } from 'jose'
import type { Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider'
import { errors, interactionPolicy } from 'oidc-provider'
import type { AcrDemand, Level } from '../authentication/levels.ts'
import { acrFor, demandOf, levelOfAcr, reaches } from './acr.ts'
import { responseModes } from './discovery.ts'
import { answerAcr } from './internals.ts'

const { Check, Prompt, base } = interactionPolicy

/** Why a login is asked for when only its class does not do. */
export const acrReason = 'acr'

type PolicyDeps = {
  /** The strongest class of login that the person can reach with what they have set up. */
  reachable: (accountId: string) => Promise<Level>
}

/** What this request asks of the class of login. The claims parameter is read as it was sent: `acr_values` replaces it in the engine's own. */
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
 * In place of the engine's two checks, which know no order of classes: whoever has signed in with a stronger one has what was asked for. A
 * voluntary class is asked of those who can reach it, once; an essential one of everybody.
 * OpenID Connect Core 1.0 §5.5.1.1; the error is that of OpenID Connect Core Error Code unmet_authentication_requirements, RFC 9470 §5.
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
 * The engine knows `fragment` too; a code never belongs there. Refused here and not by the client's metadata, where `response_type=token`, whose
 * mode is fragment, would be told of its mode instead of its type (RFC 6749 §4.1.2.1: unsupported_response_type).
 */
function refuseOtherResponseModes({ oidc }: KoaContextWithOIDC): boolean {
  const mode = oidc.params?.response_mode
  if (mode !== undefined && !responseModes.some((offered) => offered === mode)) {
    throw new errors.UnsupportedResponseMode()
  }
  return Check.NO_NEED_TO_PROMPT
}

/** The OpenID Connect scopes of a client as it is registered now; the engine takes a client without any for one that may have all. */
const scopesOf = (client: EngineClient): readonly string[] => client.scope?.split(' ') ?? []

/** Also when an interaction goes on: what was taken from the client since it began is not given, and the client is told (RFC 6749 §4.1.2.1). */
function refuseForeignScopes({ oidc }: KoaContextWithOIDC): boolean {
  const own = oidc.client ? scopesOf(oidc.client) : []
  const foreign = [...oidc.requestParamOIDCScopes].find((scope) => !own.includes(scope))
  if (foreign !== undefined) throw new errors.InvalidScope('requested scope is not allowed', foreign)
  return Check.NO_NEED_TO_PROMPT
}

/** An interaction goes on to an address that was removed since: a page says so, and nothing is sent there. */
function refuseRemovedRedirect({ oidc }: KoaContextWithOIDC): boolean {
  if (!oidc.client?.redirectUriAllowed(String(oidc.params?.redirect_uri))) throw new errors.InvalidRedirectUri()
  return Check.NO_NEED_TO_PROMPT
}

/** The scope as the client has sent it: in the address, or when it pushed the request (RFC 9126 §4). */
function askedScope({ oidc, query }: KoaContextWithOIDC): unknown {
  const { PushedAuthorizationRequest: pushed } = oidc.entities
  return pushed ? decodeJwt(String(pushed.request)).scope : query.scope
}

/** Whether `requested` names `offline_access`, the engine has taken it out, and the client may have it. */
function isOfflineAccessDropped({ oidc }: KoaContextWithOIDC, requested: unknown): boolean {
  const has = (scope: unknown) => typeof scope === 'string' && scope.split(' ').includes('offline_access')
  const { client, params } = oidc
  return has(requested) && !has(params?.scope) && !!client?.grantTypeAllowed('refresh_token') && has(client.scope)
}

/**
 * The engine's validator of a parameter, called after its own checks of the scope: a pushed request keeps the `offline_access` that it names, and
 * the authorization endpoint decides about it as about any other.
 */
export async function keepPushedOfflineAccess(ctx: KoaContextWithOIDC): Promise<void> {
  const { route, body, params } = ctx.oidc
  if (route !== 'pushed_authorization_request' || !params || !isOfflineAccessDropped(ctx, body?.scope)) return
  params.scope = `${params.scope ?? ''} offline_access`.trim()
}

/**
 * The engine drops `offline_access` unless `prompt=consent`. OpenID Connect Core 1.0 §11 allows other conditions: a consent that the person
 * has given before, or the consent page that follows. With `prompt=none` only the remembered one counts; else the request for it is ignored.
 */
function restoreOfflineAccess(ctx: KoaContextWithOIDC): boolean {
  const { oidc } = ctx
  if (oidc.route !== 'authorization' || !isOfflineAccessDropped(ctx, askedScope(ctx))) return Check.NO_NEED_TO_PROMPT
  const scope = typeof oidc.params?.scope === 'string' ? oidc.params.scope : ''
  const remembered = oidc.entities.Grant?.getOIDCScope().split(' ').includes('offline_access') ?? false
  if (remembered || !oidc.prompts.has('none')) oidc.params!.scope = `${scope} offline_access`.trim()
  return Check.NO_NEED_TO_PROMPT
}

/** RFC 6749 §3.3: without a scope that means something here there is no default; the engine would ask for a login and then say access_denied. */
function refuseEmptyScope({ oidc }: KoaContextWithOIDC): boolean {
  if (!oidc.params?.scope) throw new errors.InvalidScope('a scope is required', '')
  return Check.NO_NEED_TO_PROMPT
}

/** Looked at only when there is nothing left to ask: the moment in which the grant of this authorization is written. */
async function saveGrant({ oidc }: KoaContextWithOIDC): Promise<boolean> {
  const { Client: client, Grant: grant, Session: session } = oidc.entities
  if (client && grant && !grant.jti) {
    await grant.save()
    session?.grantIdFor(client.clientId, grant.jti)
  }
  return Check.NO_NEED_TO_PROMPT
}

/** The prompts in the order they are looked at: choose an account, sign in, consent. The first one's checks run for every request. */
export function createPolicy(deps: PolicyDeps) {
  const policy = base()
  const login = policy.get('login')
  if (!login) throw new Error('the engine has no login prompt')
  for (const replaced of ['essential_acrs', 'essential_acr']) login.checks.remove(replaced)
  // OpenID Connect Core 1.0 §3.1.2.6: login_required, where `prompt=none` forbids to ask.
  // Somebody who has left, or is on the way out: the session is nobody's here.
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
