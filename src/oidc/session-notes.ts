/** Reports which browser uses a session, after an authorization request that kept the session. */
import type { KoaContextWithOIDC } from 'oidc-provider'

type SessionUse = { uid: string; accountId: string; userAgent: string; ip: string | undefined }

const routes = ['authorization', 'resume']

export const createSessionNotes =
  ({ note, failed }: { note: (seen: SessionUse) => Promise<void>; failed: (error: unknown) => void }) =>
  async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next()
    const { session, route } = ctx.oidc ?? {}
    if (!session?.accountId || !routes.includes(route ?? '')) return
    const { uid, accountId } = session
    // The data is only shown on a page, so its failure must not fail the sign-in.
    await note({ uid, accountId, userAgent: ctx.get('User-Agent'), ip: ctx.ip }).catch(failed)
  }
