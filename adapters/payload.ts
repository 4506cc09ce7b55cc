/**
 * Reads from an artifact's payload: its owners, its scope, and the generation of an interaction.
 */
import type { Payload } from './model.ts'
import type { Unit } from './unit-of-work.ts'

const asText = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

export const grantIdOf = (payload: Payload): string | undefined => asText(payload.grantId)
export const sessionUidOf = (payload: Payload): string | undefined => asText(payload.sessionUid)

export const hasOfflineAccess = (payload: Payload): boolean =>
  typeof payload.scope === 'string' && payload.scope.split(' ').includes('offline_access')

/** The scopes of the first payload that the second one has too. */
export function commonScope({ scope = '' }: Payload, other: Payload): string {
  const names = new Set(other.scope?.split(' '))
  return scope
    .split(' ')
    .filter((name) => names.has(name) || name === '')
    .join(' ')
}

/**
 * The account, client and session of a payload. The account of an interaction is that of the
 * sign-in that has just succeeded, otherwise that of its session.
 */
export function ownersOf(payload: Payload): { accountId?: string; clientId?: string; sessionUid?: string } {
  const { result, session, params } = payload as {
    result?: { login?: { accountId?: unknown } }
    session?: { accountId?: unknown; uid?: unknown }
    params?: { client_id?: unknown }
  }
  return {
    accountId: asText(payload.accountId) ?? asText(result?.login?.accountId) ?? asText(session?.accountId),
    clientId: asText(payload.clientId) ?? asText(params?.client_id),
    sessionUid: asText(payload.sessionUid) ?? asText(session?.uid),
  }
}

/**
 * The account and generation of the sign-in that finished the interaction. A sign-in without a
 * stored generation has generation 0.
 */
export function signInOf({ result }: Payload): Unit['signIn'] {
  const { login } = Object(result) as { login?: { accountId?: unknown; generation?: unknown } }
  const accountId = asText(login?.accountId)
  return accountId === undefined ? undefined : { accountId, generation: Number(login?.generation ?? 0) }
}

const sessionAccountOf = ({ session }: Payload): string | undefined =>
  asText((Object(session) as { accountId?: unknown }).accountId)

/**
 * The account and generation of the session in which the interaction began; undefined when they
 * were not stored.
 */
export function sessionAtBeginning(id: Buffer, payload: Payload): Unit['interaction'] {
  const accountId = sessionAccountOf(payload)
  const { generation } = payload
  return accountId === undefined || typeof generation !== 'number' ? undefined : { id, accountId, generation }
}

/** An interaction keeps the generation in which it began, even if it is saved again. */
export function withGeneration(unit: Unit, id: Buffer, payload: Payload): Payload {
  if (unit.interaction?.id.equals(id)) return { ...payload, generation: unit.interaction.generation }
  const accountId = sessionAccountOf(payload)
  // The sign-in is compared first. In its request the loaded session is older, or there is none.
  const begun = [unit.signIn, unit.session].find((one) => accountId !== undefined && one?.accountId === accountId)
  return begun ? { ...payload, generation: begun.generation } : payload
}
