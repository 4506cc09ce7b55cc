/** Corrects the engine's discovery documents (OpenID Connect Discovery 1.0 §3, RFC 8414 §2). */
import type { KoaContextWithOIDC } from 'oidc-provider'

export const responseModes = ['query', 'form_post'] as const

/** The engine lists `fragment`. `policy.ts` refuses it, because the code flow does not need it. */
export function discoveryAround(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  return ctx.path.startsWith('/.well-known/') ? answerDiscovery(ctx, next) : next()
}

async function answerDiscovery(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next()
  if (ctx.oidc?.route !== 'discovery' || ctx.status !== 200) return
  ctx.body = {
    ...(ctx.body as Record<string, unknown>),
    response_modes_supported: responseModes,
    // Back-Channel Logout 1.0 §2.1: src/logout implements it, not the engine.
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
  }
}
