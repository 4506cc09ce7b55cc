/** Our pages in place of the engine's: error, logout, signed out, form_post. */

import type { Context } from 'koa'
import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { ClientView } from '../authentication/interaction.ts'
import type { Views } from '../http/views.ts'

type Deps = {
  views: Views
  requestIdOf: (ctx: Context) => string
  accounts: { findById: (id: string) => Promise<Account | undefined> }
}

/** The client's data for a page: its name, and the host that the browser is sent to. */
export function clientView(
  client: {
    clientId: string
    clientName?: string
    clientUri?: string
    is_first_party?: unknown
    redirectUris?: readonly string[]
  },
  redirectUri?: unknown,
): ClientView {
  const target = typeof redirectUri === 'string' ? redirectUri : client.redirectUris?.[0]
  const parsed = target === undefined ? undefined : URL.parse(target)
  return {
    name: client.clientName ?? client.clientId,
    // A private-use scheme has no host: the scheme names the app (RFC 8252 §7.1).
    host: parsed?.host || parsed?.protocol.replace(/:$/, '') || '',
    isFirstParty: client.is_first_party === true,
    ...(client.clientUri && { uri: client.clientUri }),
  }
}

/** The engine passes the context of our application, so our pages can render on it. */
const asContext = (ctx: KoaContextWithOIDC): Context => ctx

export function createEnginePages({ views, accounts, requestIdOf }: Deps) {
  const currentClient = (ctx: KoaContextWithOIDC) => ctx.oidc.client && clientView(ctx.oidc.client)
  return {
    renderError: async (ctx: KoaContextWithOIDC, out: ErrorOut, _error: Error) => {
      views.render(asContext(ctx), 'error', {
        status: ctx.status,
        code: out.error,
        requestId: requestIdOf(asContext(ctx)),
        isRetryable: ctx.status >= 500,
      })
    },

    logoutSource: async (ctx: KoaContextWithOIDC) => {
      const { session } = ctx.oidc
      const account = session?.accountId ? await accounts.findById(session.accountId) : undefined
      views.render(asContext(ctx), 'logout', {
        action: ctx.oidc.urlFor('end_session_confirm'),
        xsrf: String((session?.state as { secret?: unknown } | undefined)?.secret ?? ''),
        client: currentClient(ctx),
        account: { email: account?.email ?? '' },
      })
    },

    postLogoutSuccessSource: async (ctx: KoaContextWithOIDC) => {
      // A user who stays signed in also reaches this page.
      const session = await ctx.oidc.provider.Session.get(asContext(ctx))
      views.render(asContext(ctx), 'logged-out', {
        client: currentClient(ctx),
        isSignedIn: session.accountId !== undefined,
      })
    },

    formPost: async (ctx: KoaContextWithOIDC, action: string, payload: Record<string, unknown>) => {
      ctx.status = 'error' in payload ? 400 : 200
      views.render(asContext(ctx), 'form-post', {
        action,
        fields: Object.entries(payload).map(([name, value]) => [name, String(value)] as const),
      })
    },
  }
}
