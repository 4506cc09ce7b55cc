/** When a person is asked: the engine's own prompts, account selection, and what cannot be obtained said at once. */

import type { KoaContextWithOIDC } from 'oidc-provider'
import { errors, interactionPolicy } from 'oidc-provider'
import { responseModes } from './discovery.ts'

const { Check, Prompt, base } = interactionPolicy

/** The one way to sign in so far, as an authentication context class (OpenID Connect Core 1.0 §2, acr). */
export const passwordAcr = 'urn:latchkey:acr:password'

/** Authentication method references of a login by password (RFC 8176 §2). */
export const passwordAmr = ['pwd']

type AcrRequest = { essential?: boolean; value?: string; values?: unknown }

/**
 * An essential acr that no login here can reach would ask for a login for ever. OpenID Connect Core 1.0 §5.5.1.1 treats it as a failed authentication;
 * the error is that of OpenID Connect Core Error Code unmet_authentication_requirements.
 */
function refuseUnreachableAcr(ctx: KoaContextWithOIDC): boolean {
  const request = (ctx.oidc.claims?.id_token?.acr ?? undefined) as AcrRequest | undefined
  if (!request?.essential) return Check.NO_NEED_TO_PROMPT
  const wanted = Array.isArray(request.values) ? request.values : request.value === undefined ? [] : [request.value]
  if (wanted.length > 0 && !wanted.includes(passwordAcr)) {
    throw new errors.UnmetAuthenticationRequirements('none of the requested acr values can be reached')
  }
  return Check.NO_NEED_TO_PROMPT
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

/**
 * The engine drops `offline_access` unless `prompt=consent`. OpenID Connect Core 1.0 §11 allows other conditions: a consent that the person
 * has given before, or the consent page that follows. With `prompt=none` only the remembered one counts; else the request for it is ignored.
 */
function restoreOfflineAccess(ctx: KoaContextWithOIDC): boolean {
  const { oidc } = ctx
  if (oidc.route !== 'authorization' || typeof ctx.query.scope !== 'string') return Check.NO_NEED_TO_PROMPT
  const asked = ctx.query.scope.split(' ').includes('offline_access')
  const scope = typeof oidc.params?.scope === 'string' ? oidc.params.scope : ''
  if (!asked || scope.split(' ').includes('offline_access') || !oidc.client?.grantTypeAllowed('refresh_token')) {
    return Check.NO_NEED_TO_PROMPT
  }
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
export function createPolicy() {
  const policy = base()
  const login = policy.get('login')
  if (!login) throw new Error('the engine has no login prompt')
  login.checks.add(new Check('acr_unreachable', 'the requested acr cannot be reached', refuseUnreachableAcr), 0)
  const offlineAccess = new Check('offline_access', 'offline access is decided, never asked', restoreOfflineAccess)
  const responseMode = new Check('response_mode', 'only offered response modes', refuseOtherResponseModes)
  const emptyScope = new Check('empty_scope', 'nothing is asked for', refuseEmptyScope)
  policy.add(new Prompt({ name: 'select_account', requestable: true }, offlineAccess, responseMode, emptyScope), 0)
  policy.add(new Prompt({ name: 'grant' }, new Check('grant_saved', 'the grant is written', saveGrant)))
  return policy
}
