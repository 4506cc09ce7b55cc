/** Checks Latchkey's own values of a client: id, consent, PKCE and refresh tokens. */
import type { Problem } from '../problems.ts'
import type { ClientInput } from './client.ts'
import type { ClientProfile } from './profiles.ts'
import { checkWithin, year } from './value-checks.ts'

export type ClientFlags = Omit<ClientInput, 'kind' | 'metadata' | 'secret'>

const minute = 60

export function checkFlags(flags: ClientFlags, profile: ClientProfile) {
  const { isFirstParty, requirePkce, clientId, refreshIdleSeconds, refreshAbsoluteSeconds } = flags
  const problems: Problem[] = [
    ...checkWithin('refresh_grace_seconds', flags.refreshGraceSeconds, 0, 300),
    ...checkWithin('refresh_idle_seconds', refreshIdleSeconds, minute, year),
    ...checkWithin('refresh_absolute_seconds', refreshAbsoluteSeconds, minute, 10 * year),
  ]
  if ((refreshIdleSeconds ?? 0) > (refreshAbsoluteSeconds ?? 10 * year)) {
    problems.push({ path: 'refresh_idle_seconds', code: 'not_above', params: { other: 'refresh_absolute_seconds' } })
  }
  if (clientId !== undefined && !isClientId(clientId)) problems.push({ path: 'client_id', code: 'not_client_id' })
  if (isFirstParty && !profile.mayBeFirstParty) problems.push({ path: 'first_party', code: 'native_always_asks' })
  if (requirePkce === false && !(profile.isConfidential && profile.hasRedirects)) {
    problems.push({ path: 'require_pkce', code: 'pkce_always' })
  }
  return problems
}

/** A client id must not look like an account's `sub`, which is a UUID (RFC 9700 §4.15.1). */
const isClientId = (value: unknown): boolean =>
  typeof value === 'string' &&
  /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/.test(value) &&
  !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)
