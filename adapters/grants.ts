/** The end of a grant handler: one conditional write decides who has spent the code or refresh token; theft ends the family. */

import type { JWK } from 'jose'
import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose'
import { errors } from 'oidc-provider'
import type { Artifacts } from './artifacts.ts'
import { mapKey, rowId } from './digest.ts'
import type { Ends, Tx } from './ends.ts'
import { ArtifactStoreUnavailable } from './errors.ts'
import type { Stored } from './model.ts'
import type { createSuccessorSeal, Successor } from './seal.ts'
import type { Presented, Unit } from './unit-of-work.ts'

export type FamilyEnd = {
  /** What was seen: a spent code again, a spent refresh token again, or a spent one from another client or with another DPoP key. */
  reason: 'code_reused' | 'refresh_token_reused' | 'other_client' | 'other_key'
  accountId: string | undefined
  /** Whose family it was. */
  clientId: string | undefined
  /** Who presented it. */
  presentedBy: string | undefined
  request: Pick<GrantContext, 'ip' | 'state'>
}

type Deps = {
  artifacts: Artifacts
  ends: Ends
  successors: ReturnType<typeof createSuccessorSeal>
  onFamilyEnded: (tx: Tx, event: FamilyEnd) => Promise<void> | void
  onRepeated: () => void
}

/** What a grant handler is called with: the engine's Koa context. */
export type GrantContext = {
  body?: unknown
  ip: string
  state: Readonly<Record<string, unknown>>
  get: (header: string) => string
  oidc: {
    client?: { clientId: string }
    params?: Readonly<Record<string, unknown>>
    entities: { AccessToken?: { jkt?: string } }
  }
}

/** Which key a DPoP proof was made with. The engine has checked the proof before it looks for the token (RFC 9449 §4.3). */
async function proofThumbprint(ctx: GrantContext): Promise<string | undefined> {
  try {
    return await calculateJwkThumbprint(decodeProtectedHeader(ctx.get('DPoP')).jwk as JWK)
  } catch {
    return undefined
  }
}

const isStoreAway = (error: unknown): boolean =>
  error instanceof ArtifactStoreUnavailable || (error as { statusCode?: unknown } | undefined)?.statusCode === 503

export function createGrantEndings({ artifacts, ends, successors, onFamilyEnded, onRepeated }: Deps) {
  /** RFC 9700 §4.14.2: a reused refresh token ends the whole family; thief and owner look the same from here. So does a code (RFC 6749 §4.1.2). */
  async function endFamily(unit: Unit, { stored, payload }: Presented, ctx: GrantContext, reason: FamilyEnd['reason']) {
    const grantKey = stored.grantKey
    if (!grantKey) return
    await artifacts.transaction(async (tx) => {
      // Whoever finds nothing left to end was not the one who ended it.
      if ((await ends.endFamily(tx, grantKey, { isGrantEnded: true })) === 0) return
      const { accountId, clientId } = payload
      await onFamilyEnded(tx, { reason, accountId, clientId, presentedBy: ctx.oidc.client?.clientId, request: ctx })
    })
    unit.revoked.delete(mapKey(grantKey))
  }

  async function refuse(
    unit: Unit,
    presented: Presented,
    ctx: GrantContext,
    reason: FamilyEnd['reason'],
  ): Promise<never> {
    artifacts.forget(unit)
    await endFamily(unit, presented, ctx, reason)
    throw new errors.InvalidGrant(reason)
  }

  const reuse = ({ model }: Presented) => (model === 'RefreshToken' ? 'refresh_token_reused' : 'code_reused')

  /** Why a presented, already spent source means theft, once the handler has refused it; undefined when it does not. */
  async function theftSeen(presented: Presented, ctx: GrantContext): Promise<FamilyEnd['reason'] | undefined> {
    const { stored, payload, isRepeat } = presented
    if (stored.consumedAt === undefined) return undefined
    if (payload.clientId !== ctx.oidc.client?.clientId) return 'other_client'
    if (!isRepeat) return reuse(presented)
    if (payload.jkt !== undefined && payload.jkt !== (await proofThumbprint(ctx))) return 'other_key'
    return undefined
  }

  /** RFC 6749 §10.5: a refusal before the engine looked at the code does not hide that its sender has it. */
  async function presentCode(unit: Unit, { oidc }: GrantContext): Promise<void> {
    const code = oidc.params?.code
    if (!unit.presented && typeof code === 'string') await artifacts.find(unit, 'AuthorizationCode', code)
  }

  /** The handler has refused: nothing is issued. What it ended stays ended, a spent code stays spent, a refresh token is left to its owner. */
  async function abandon(unit: Unit, ctx: GrantContext, error: unknown): Promise<void> {
    unit.upserts.clear()
    if (isStoreAway(error)) return artifacts.forget(unit)
    await presentCode(unit, ctx)
    const { presented, isSpending } = unit
    let theft = presented && (await theftSeen(presented, ctx))
    if (presented && theft) await endFamily(unit, presented, ctx, theft)
    const spendsCode = presented !== undefined && isSpending && presented.model !== 'RefreshToken'
    const { isMet } = await artifacts.write(unit, spendsCode ? { kind: 'spend', key: presented.stored.id } : undefined)
    artifacts.forget(unit)
    if (isMet || !presented || theft) return
    theft = reuse(presented)
    await endFamily(unit, presented, ctx, theft)
  }

  /**
   * A spent refresh token again, from its own client and within the window: the same refresh token as the first time, or, when that has
   * been spent too, the one that lives now; and a fresh access token. The family never branches, so that theft shows at the next turn.
   */
  async function repeat(unit: Unit, presented: Presented, spent: Stored, ctx: GrantContext): Promise<void> {
    if (unit.issuedRefreshToken) unit.upserts.delete(unit.issuedRefreshToken.key)
    const thumbprint = ctx.oidc.entities.AccessToken?.jkt
    let link = { token: presented.token, row: spent }
    for (;;) {
      const next: Successor | undefined =
        link.row.successor && successors.open(link.token, link.row.successor, link.row.id)
      if (!next) return refuse(unit, presented, ctx, 'refresh_token_reused')
      // RFC 9449 §5: a confidential client's refresh tokens are not bound, and it may change its key.
      const isBound = presented.payload.jkt !== undefined
      if (isBound && link.row === spent && next.thumbprint !== thumbprint) {
        return refuse(unit, presented, ctx, 'other_key')
      }
      const id = rowId('RefreshToken', next.token)
      const row = await artifacts.findNow('RefreshToken', id)
      if (!row) {
        artifacts.forget(unit)
        throw new errors.InvalidGrant('refresh token family has ended')
      }
      if (row.consumedAt !== undefined) {
        link = { token: next.token, row }
      } else if (!artifacts.isCovered(presented, row)) {
        // The family lost a scope while the handler worked: the answer would have it. Sent again, the request gets what is left.
        artifacts.forget(unit)
        throw new ArtifactStoreUnavailable('the family was narrowed meanwhile')
      } else if ((await artifacts.write(unit, { kind: 'alive', key: id })).isMet) {
        artifacts.forget(unit)
        Object.assign(ctx.body as object, { refresh_token: next.token })
        onRepeated()
        return
      }
    }
  }

  /** Somebody else was first, or the family has ended. */
  async function lost(unit: Unit, presented: Presented, ctx: GrantContext): Promise<void> {
    const row = await artifacts.findNow(presented.model, presented.stored.id)
    if (row && presented.model === 'RefreshToken' && (await artifacts.isWithinGrace(row, presented.payload.clientId))) {
      return repeat(unit, presented, row, ctx)
    }
    return refuse(unit, presented, ctx, reuse(presented))
  }

  /** The handler has succeeded: everything it issued is written in one statement, if what was presented is spent by it and nobody else. */
  async function settle(unit: Unit, ctx: GrantContext): Promise<void> {
    const { presented, isSpending, issuedRefreshToken } = unit
    if (!presented) return artifacts.flush(unit)
    if (presented.isRepeat) return repeat(unit, presented, presented.stored, ctx)
    const { id } = presented.stored
    const thumbprint = ctx.oidc.entities.AccessToken?.jkt
    const successor =
      presented.model === 'RefreshToken' && issuedRefreshToken
        ? successors.seal(presented.token, { token: issuedRefreshToken.token, thumbprint }, id)
        : undefined
    const { isMet } = await artifacts.write(
      unit,
      isSpending ? { kind: 'spend', key: id, successor } : { kind: 'alive', key: id },
    )
    if (!isMet) return lost(unit, presented, ctx)
    artifacts.forget(unit)
  }

  return { settle, abandon }
}
