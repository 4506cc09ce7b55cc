/** Which claims a scope stands for, and an account as those claims (OpenID Connect Core 1.0 §5.1, §5.4). */
import type { ClaimsParameterMember, KoaContextWithOIDC } from 'oidc-provider'
import { errors } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'

/** Authentication claims ride on `openid`, so that every ID token says when and how the person signed in. */
export const claimsByScope = {
  openid: ['sub', 'auth_time', 'acr', 'amr', 'sid'],
  profile: [
    'name',
    'given_name',
    'family_name',
    'middle_name',
    'nickname',
    'preferred_username',
    'profile',
    'picture',
    'website',
    'gender',
    'birthdate',
    'zoneinfo',
    'locale',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  address: ['address'],
  roles: ['roles'],
} as const

const millisecondsPerSecond = 1000

/** The account's claims; what the account does not have is left out (OpenID Connect Core 1.0 §5.3.2). */
function claimsOf(account: Account): Record<string, unknown> & { sub: string } {
  const claims = {
    sub: account.id,
    name: account.name,
    given_name: account.givenName,
    family_name: account.familyName,
    middle_name: account.middleName,
    nickname: account.nickname,
    preferred_username: account.preferredUsername,
    profile: account.profile,
    picture: account.picture,
    website: account.website,
    gender: account.gender,
    birthdate: account.birthdate,
    zoneinfo: account.zoneinfo,
    locale: account.locale,
    updated_at: Math.floor(account.updatedAt / millisecondsPerSecond),
    email: account.email,
    // Another account has the mailbox, or nobody: an application must not go by the address.
    email_verified: account.isEmailVerified && account.emailProblem === undefined,
    phone_number: account.phoneNumber,
    phone_number_verified: account.phoneNumber === undefined ? undefined : account.isPhoneNumberVerified,
    address: account.address,
    roles: account.roles,
  }
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)) as typeof claims
}

const isRequest = (member: unknown): boolean => typeof member === 'object' && !Array.isArray(member)

/**
 * The engine's `assertClaimsParameter`: each claim is asked for with null or an object (OpenID Connect Core 1.0 §5.5.1). The engine passes over
 * most others, and fails with a TypeError at a `sub` of another type. Throws InvalidRequest.
 */
export async function assertClaimsParameter(_ctx: unknown, claims: Record<string, unknown>): Promise<void> {
  const members = [claims.id_token, claims.userinfo].flatMap((part) => Object.values((part as object) ?? {}))
  if (!members.every(isRequest)) throw new errors.InvalidRequest('claims must be requested by null or a JSON object')
}

type Deps = {
  accounts: { findForClient: (id: string, clientId: string | undefined) => Promise<Account | undefined> }
}

/**
 * The claims of the scopes that the client has now, whatever a consent, a token or the `claims` parameter of before says; `sub` always.
 */
function ofClient(claims: ReturnType<typeof claimsOf>, client: { scope?: string } | undefined): typeof claims {
  const scopes = client?.scope?.split(' ') ?? []
  const names: ReadonlySet<string> = new Set(
    Object.entries(claimsByScope).flatMap(([scope, members]) => (scopes.includes(scope) ? members : [])),
  )
  return Object.fromEntries(
    Object.entries(claims).filter(([name]) => name === 'sub' || names.has(name)),
  ) as typeof claims
}

/** The engine's `findAccount`: a disabled account is no account. The engine filters the claims by scope and request. */
export function createFindAccount({ accounts }: Deps) {
  return async (ctx: KoaContextWithOIDC, sub: string) => {
    const account = await accounts.findForClient(sub, ctx.oidc.client?.clientId)
    if (!account || account.isDisabled) return undefined
    return {
      accountId: account.id,
      claims: async (_use: string, _scope: string, _claims: Record<string, ClaimsParameterMember | null>) =>
        ofClient(claimsOf(account), ctx.oidc.client),
    }
  }
}
