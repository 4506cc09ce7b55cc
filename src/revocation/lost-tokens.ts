/**
 * Tokens that a client revokes and that no store has (RFC 7009 §2.2): they stay invalid if a store
 * restores them.
 */
import type { Context } from 'koa'
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Settings } from '../settings/service.ts'

type RequestContext = Pick<Context, 'state' | 'ip'>

type Deps = {
  /** Only Redis can lose and restore a token; undefined: Redis is not configured. */
  redis: object | undefined
  /** Counts an unknown token of this client. Throws `too_many_requests`. */
  countUnknown: (ctx: RequestContext, clientId: string) => Promise<void>
  settings: Pick<Settings, 'get'>
  /** The longest lifetime that a resource server may give its tokens. */
  longestSeconds: number
  denyLost: ArtifactStore['denyLost']
}

export const createDenyLost =
  ({ redis, countUnknown, settings, longestSeconds, denyLost }: Deps) =>
  async (ctx: RequestContext, clientId: string, token: string): Promise<void> => {
    if (!redis) return
    await countUnknown(ctx, clientId)
    await denyLost(clientId, token, Math.max(settings.get().accessTokenSeconds, longestSeconds))
  }
