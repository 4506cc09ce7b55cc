/**
 * The claims of each scope, and their values for an account (OpenID Connect Core 1.0 §5.1, §5.4).
 */
import type { ClaimsParameter, ClaimsParameterMember, KoaContextWithOIDC } from 'oidc-provider'
import { errors } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { PersonField } from '../accounts/fields.ts'
import { listFields } from '../accounts/fields.ts'
import type { OidcScope } from '../clients/scopes.ts'

const claimsOfScope = (scope: PersonField['scope']): string[] =>
  listFields().flatMap(([, field]) => (field.scope === scope ? [field.claim] : []))

/**
 * The authentication claims belong to `openid`: every ID token says when and how the user signed
 * in.
 */
export const claimsByScope: Readonly<Record<OidcScope, readonly string[]>> = {
  openid: ['sub', 'auth_time', 'acr', 'amr', 'sid'],
  profile: [...claimsOfScope('profile'), 'updated_at'],
  email: ['email', 'email_verified'],
  phone: [...claimsOfScope('phone'), 'phone_number_verified'],
  address: claimsOfScope('address'),
  roles: ['roles'],
}

const millisecondsPerSecond = 1000

/**
 * The value of each claim; undefined when the account has none (OpenID Connect Core 1.0 §5.3.2).
 */
const claimValues: Readonly<Record<string, (account: Account) => unknown>> = {
  ...Object.fromEntries(listFields().map(([name, { claim }]) => [claim, (account: Account) => account[name]])),
  updated_at: ({ updatedAt }) => Math.floor(updatedAt / millisecondsPerSecond),
  email: ({ email }) => email,
  // The mailbox belongs to another account, or the email is unusable: an application must not trust
  // it.
  email_verified: ({ isEmailVerified, emailProblem }) => isEmailVerified && emailProblem === undefined,
  phone_number_verified: ({ phoneNumber, isPhoneNumberVerified }) =>
    phoneNumber === undefined ? undefined : isPhoneNumberVerified,
  roles: ({ roles }) => roles,
}

const maxScopes = 1000
const namesByScope = new Map<string, readonly string[]>()

/**
 * The claims of a client's `scope`, cached: clients use few different scopes, and userinfo asks
 * often.
 */
function namesOf(scope: string): readonly string[] {
  const known = namesByScope.get(scope)
  if (known) return known
  const scopes = scope.split(' ')
  const names = Object.entries(claimsByScope)
    .flatMap(([name, members]) => (scopes.includes(name) ? members : []))
    .filter((name) => name in claimValues)
  if (namesByScope.size >= maxScopes) namesByScope.clear()
  namesByScope.set(scope, names)
  return names
}

const isRequest = (member: unknown): boolean => typeof member === 'object' && !Array.isArray(member)

/**
 * The engine's `assertClaimsParameter`: each claim is requested with null or an object (OpenID
 * Connect Core 1.0 §5.5.1). The engine ignores most other values, and fails with a TypeError for a
 * `sub` of another type.
 * Throws InvalidRequest.
 */
export async function assertClaimsParameter(_ctx: unknown, claims: ClaimsParameter): Promise<void> {
  const members = [claims.id_token, claims.userinfo].flatMap((part) => Object.values(part ?? {}))
  if (!members.every(isRequest)) throw new errors.InvalidRequest('claims must be requested by null or a JSON object')
}

type Deps = {
  accounts: { findForClient: (id: string, clientId: string | undefined) => Promise<Account | undefined> }
}

/**
 * The claims of the scopes that the client has now, and always `sub`. An earlier consent, token or
 * `claims` parameter does not add any.
 */
function claimsFor(
  account: Account,
  client: { scope?: string } | undefined,
): Record<string, unknown> & { sub: string } {
  const claims: Record<string, unknown> & { sub: string } = { sub: account.id }
  for (const name of namesOf(client?.scope ?? '')) {
    const value = claimValues[name]?.(account)
    if (value !== undefined) claims[name] = value
  }
  return claims
}

/**
 * The engine's `findAccount`: no disabled accounts. The engine filters the claims by scope and
 * request.
 */
export function createFindAccount({ accounts }: Deps) {
  return async (ctx: KoaContextWithOIDC, sub: string) => {
    const account = await accounts.findForClient(sub, ctx.oidc.client?.clientId)
    if (!account || account.isDisabled) return undefined
    return {
      accountId: account.id,
      claims: async (_use: string, _scope: string, _claims: Record<string, ClaimsParameterMember | null>) =>
        claimsFor(account, ctx.oidc.client),
    }
  }
}
