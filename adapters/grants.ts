/**
 * The end of a grant handler: one conditional write decides which request has spent the code or
 * refresh token. A repeat within the grace window gets its successor again.
 */
import { errors } from 'oidc-provider'
import { rowId } from './digest.ts'
import { ArtifactStoreUnavailable } from './errors.ts'
import type { Flusher } from './flush.ts'
import type { GrantContext } from './grant-context.ts'
import type { Loader } from './load.ts'
import type { StoredArtifact } from './model.ts'
import type { Reader } from './read.ts'
import type { RefreshGrace } from './refresh-grace.ts'
import type { createSuccessorSeal, Successor } from './seal.ts'
import type { FamilyEnd, TokenFamilies } from './token-families.ts'
import { reuseReasonOf } from './token-families.ts'
import type { PresentedToken, Unit } from './unit-of-work.ts'

type Deps = {
  loader: Pick<Loader, 'findNow'>
  reader: Pick<Reader, 'find'>
  flusher: Flusher
  families: TokenFamilies
  refreshGrace: RefreshGrace
  successors: ReturnType<typeof createSuccessorSeal>
  onRepeated: () => void
}

export type GrantEndings = ReturnType<typeof createGrantEndings>

const isStoreUnavailable = (error: unknown): boolean =>
  error instanceof ArtifactStoreUnavailable || (error as { statusCode?: unknown } | undefined)?.statusCode === 503

export function createGrantEndings({ loader, reader, flusher, families, refreshGrace, successors, onRepeated }: Deps) {
  async function refuse(
    unit: Unit,
    presented: PresentedToken,
    ctx: GrantContext,
    reason: FamilyEnd['reason'],
  ): Promise<never> {
    flusher.forget(unit)
    await families.end(unit, presented, ctx, reason)
    throw new errors.InvalidGrant(reason)
  }

  /**
   * The engine may refuse a request before it reads the code. The code still counts as presented
   * (RFC 6749 §10.5).
   */
  async function presentCode(unit: Unit, { oidc }: GrantContext): Promise<void> {
    const code = oidc.params?.code
    if (!unit.presented && typeof code === 'string') await reader.find(unit, 'AuthorizationCode', code)
  }

  /**
   * The handler has refused, so nothing is issued. What it ended stays ended, a spent code stays
   * spent, and a refresh token stays usable for its client.
   */
  async function abandon(unit: Unit, ctx: GrantContext, error: unknown): Promise<void> {
    unit.upserts.clear()
    if (isStoreUnavailable(error)) return flusher.forget(unit)
    await presentCode(unit, ctx)
    const { presented, isSpending } = unit
    let theft = presented && (await families.findReuseReason(presented, ctx))
    if (presented && theft) await families.end(unit, presented, ctx, theft)
    const spendsCode = presented !== undefined && isSpending && presented.model !== 'RefreshToken'
    const { isMet } = await flusher.write(unit, spendsCode ? { kind: 'spend', key: presented.stored.id } : undefined)
    flusher.forget(unit)
    if (isMet || !presented || theft) return
    theft = reuseReasonOf(presented)
    await families.end(unit, presented, ctx, theft)
  }

  /**
   * A repeat gets the current refresh token and a new access token. The family never branches, so
   * that a theft is detected at the next refresh.
   */
  async function repeat(
    unit: Unit,
    presented: PresentedToken,
    spent: StoredArtifact,
    ctx: GrantContext,
  ): Promise<void> {
    if (unit.issuedRefreshToken) unit.upserts.delete(unit.issuedRefreshToken.key)
    const thumbprint = ctx.oidc.entities.AccessToken?.jkt
    let link = { token: presented.token, row: spent }
    for (;;) {
      const next: Successor | undefined =
        link.row.successor && successors.open(link.token, link.row.successor, link.row.id)
      if (!next) return refuse(unit, presented, ctx, 'refresh_token_reused')
      // RFC 9449 §5: the refresh tokens of a confidential client are not bound, so it may change
      // its key.
      const isBound = presented.payload.jkt !== undefined
      if (isBound && link.row === spent && next.thumbprint !== thumbprint) {
        return refuse(unit, presented, ctx, 'other_key')
      }
      const id = rowId('RefreshToken', next.token)
      const row = await loader.findNow('RefreshToken', id)
      if (!row) {
        flusher.forget(unit)
        throw new errors.InvalidGrant('refresh token family has ended')
      }
      if (row.consumedAt !== undefined) {
        link = { token: next.token, row }
      } else if (!families.isCovered(presented, row)) {
        // The family lost a scope during the request, and the answer would contain it. When the
        // client retries, it gets the remaining scope.
        flusher.forget(unit)
        throw new ArtifactStoreUnavailable('the family was narrowed meanwhile')
      } else if ((await flusher.write(unit, { kind: 'alive', key: id })).isMet) {
        flusher.forget(unit)
        Object.assign(ctx.body as object, { refresh_token: next.token })
        onRepeated()
        return
      }
    }
  }

  /** Another request was first, or the family has ended. */
  async function lost(unit: Unit, presented: PresentedToken, ctx: GrantContext): Promise<void> {
    const row = await loader.findNow(presented.model, presented.stored.id)
    if (
      row &&
      presented.model === 'RefreshToken' &&
      (await refreshGrace.isWithinGrace(row, presented.payload.clientId))
    ) {
      return repeat(unit, presented, row, ctx)
    }
    return refuse(unit, presented, ctx, reuseReasonOf(presented))
  }

  /**
   * The handler has succeeded: one statement writes everything it issued, if this request spends
   * the presented token.
   */
  async function finishGrant(unit: Unit, ctx: GrantContext): Promise<void> {
    const { presented, isSpending, issuedRefreshToken } = unit
    if (!presented) return flusher.flush(unit)
    if (presented.isRepeat) return repeat(unit, presented, presented.stored, ctx)
    const { id } = presented.stored
    const thumbprint = ctx.oidc.entities.AccessToken?.jkt
    const successor =
      presented.model === 'RefreshToken' && issuedRefreshToken
        ? successors.seal(presented.token, { token: issuedRefreshToken.token, thumbprint }, id)
        : undefined
    const { isMet } = await flusher.write(
      unit,
      isSpending ? { kind: 'spend', key: id, successor } : { kind: 'alive', key: id },
    )
    if (!isMet) return lost(unit, presented, ctx)
    flusher.forget(unit)
  }

  return { finishGrant, abandon }
}
