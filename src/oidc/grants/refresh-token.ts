/**
 * The refresh token grant (RFC 6749 §6). Grace window: `adapters/refresh-grace.ts`. Reuse:
 * `adapters/token-families.ts` and `adapters/grants.ts`.
 */
import type { Grant } from './grant.ts'

export const refreshToken: Grant = {
  type: 'refresh_token',
  handler: { features: {} },
  spends: { model: 'RefreshToken', parameter: 'refresh_token' },
  limit: { policy: 'token', by: 'grant' },
  before: 'nothing',
  after: ({ ctx }, { refreshPolicy }) => refreshPolicy.keepAlive(ctx),
}
