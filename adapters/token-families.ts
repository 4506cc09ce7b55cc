/**
 * A token family is all tokens of one grant. This file finds its current token, narrows scopes,
 * decides whether a refused token was stolen, and ends the family after a theft.
 */
import { mapKey, rowId, sessionKey } from './digest.ts'
import type { GrantContext } from './grant-context.ts'
import { proofThumbprint } from './grant-context.ts'
import type { Loader } from './load.ts'
import type { Payload, StoredArtifact } from './model.ts'
import { commonScope, hasOfflineAccess } from './payload.ts'
import type { Reads } from './postgres/reads.ts'
import type { Ends, Tx } from './revocations.ts'
import type { createSuccessorSeal } from './seal.ts'
import type { PresentedToken, Unit } from './unit-of-work.ts'
import { revokeByGrantId } from './unit-of-work.ts'

export type FamilyEnd = {
  /**
   * A spent code or refresh token was used again, by its client, by another client, or with another
   * DPoP key.
   */
  reason: 'code_reused' | 'refresh_token_reused' | 'other_client' | 'other_key'
  accountId: string | undefined
  /** The client to which the family was issued. */
  clientId: string | undefined
  /** The client that presented the token. */
  presentedBy: string | undefined
  request: Pick<GrantContext, 'ip' | 'state'>
}

type Deps = {
  loader: Pick<Loader, 'findNow' | 'isLiving' | 'open'>
  reads: Pick<Reads, 'findByUid'>
  ends: Pick<Ends, 'endFamily'>
  successors: Pick<ReturnType<typeof createSuccessorSeal>, 'open'>
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
  allowedScope: (clientId: string, scope: string) => Promise<string>
  onFamilyEnded: (tx: Tx, event: FamilyEnd) => Promise<void> | void
}

export type TokenFamilies = ReturnType<typeof createTokenFamilies>

export const reuseReasonOf = ({ model }: PresentedToken) =>
  model === 'RefreshToken' ? 'refresh_token_reused' : 'code_reused'

export function createTokenFamilies(deps: Deps) {
  const { loader, reads, ends, successors, onFamilyEnded } = deps

  /**
   * Removes the scopes that the client may no longer have. A token that loses offline access needs
   * an active session; without one, the whole family ends.
   */
  async function narrowToAllowedScope(unit: Unit, payload: Payload): Promise<Payload | undefined> {
    const { clientId, scope, sessionUid, grantId } = payload
    if (clientId === undefined || scope === undefined) return payload
    const allowed = await deps.allowedScope(clientId, scope)
    if (allowed === scope) return payload
    const narrowed = { ...payload, scope: allowed }
    if (!hasOfflineAccess(payload) || hasOfflineAccess(narrowed)) return narrowed
    const session = sessionUid === undefined ? undefined : await reads.findByUid(sessionKey(sessionUid))
    if (session && (await loader.isLiving('Session', session))) return narrowed
    if (grantId !== undefined) revokeByGrantId(unit, grantId)
    return undefined
  }

  /** The refresh token that currently replaces a spent one; undefined when its family has ended. */
  async function findLiving(token: string, spent: StoredArtifact): Promise<Payload | undefined> {
    let link = { token, row: spent }
    for (;;) {
      const next = link.row.successor && successors.open(link.token, link.row.successor, link.row.id)
      const row = next && (await loader.findNow('RefreshToken', rowId('RefreshToken', next.token)))
      if (!row) return undefined
      if (row.consumedAt === undefined) return loader.open(row)
      link = { token: next.token, row }
    }
  }

  /**
   * The family may have lost a scope that the client now has again. A repeat does not get that
   * scope.
   */
  async function narrowToFamilyScope(token: string, spent: StoredArtifact, payload: Payload): Promise<Payload> {
    const living = await findLiving(token, spent)
    return living && payload.scope !== undefined ? { ...payload, scope: commonScope(payload, living) } : payload
  }

  /** Whether the current token of the family has every scope of the presented token. */
  const isCovered = ({ payload }: PresentedToken, living: StoredArtifact): boolean =>
    payload.scope === undefined || commonScope(payload, loader.open(living) ?? {}) === payload.scope

  /**
   * Gives why the family must end after a refused request, or undefined. Only a spent token can be
   * stolen.
   */
  async function findReuseReason(
    presented: PresentedToken,
    ctx: GrantContext,
  ): Promise<FamilyEnd['reason'] | undefined> {
    const { stored, payload, isRepeat } = presented
    if (stored.consumedAt === undefined) return undefined
    if (payload.clientId !== ctx.oidc.client?.clientId) return 'other_client'
    if (!isRepeat) return reuseReasonOf(presented)
    if (payload.jkt !== undefined && payload.jkt !== (await proofThumbprint(ctx))) return 'other_key'
    return undefined
  }

  /**
   * Ends the whole family: attacker and client cannot be distinguished. RFC 9700 §4.14.2 demands
   * it for a reused refresh token, RFC 6749 §4.1.2 for a reused code.
   */
  async function end(unit: Unit, { stored, payload }: PresentedToken, ctx: GrantContext, reason: FamilyEnd['reason']) {
    const grantKey = stored.grantKey
    if (!grantKey) return
    await deps.transaction(async (tx) => {
      // If nothing is left to end, another request has ended the family.
      if ((await ends.endFamily(tx, grantKey, { isGrantEnded: true })) === 0) return
      const { accountId, clientId } = payload
      await onFamilyEnded(tx, { reason, accountId, clientId, presentedBy: ctx.oidc.client?.clientId, request: ctx })
    })
    unit.revoked.delete(mapKey(grantKey))
  }

  return { narrowToAllowedScope, narrowToFamilyScope, isCovered, findReuseReason, end }
}
