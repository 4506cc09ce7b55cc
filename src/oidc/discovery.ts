/** What discovery says beyond the engine: only the response modes that we offer (OpenID Connect Discovery 1.0 §3, RFC 8414 §2). */
import type { KoaContextWithOIDC } from 'oidc-provider'

export const responseModes = ['query', 'form_post'] as const

/** The engine lists `fragment`; here no client may use it (`policy.ts`), because the code flow has no need of it. */
export function discoveryAround(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  return ctx.path.startsWith('/.well-known/') ? answerDiscovery(ctx, next) : next()
}

async function answerDiscovery(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next()
  if (ctx.oidc?.route !== 'discovery' || ctx.status !== 200) return
  ctx.body = {
    ...(ctx.body as Record<string, unknown>),
    response_modes_supported: responseModes,
    // Back-Channel Logout 1.0 §2.1: ours, and not the engine's (src/logout).
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
  }
}
