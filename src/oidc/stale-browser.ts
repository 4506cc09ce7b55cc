/** A browser's request that comes too late: its session was renamed or ended, the account was reset, or the interaction was resumed. */
import type { Context, Next } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { StaleBrowser } from '../../adapters/index.ts'
import { resumedInteraction, routes } from './endpoints.ts'
import { interactionExpired } from './errors.ts'

type Deps = {
  /** The response with which the interaction was resumed a moment ago. */
  findResponse: (uid: string) => Promise<string | undefined>
  /** Shows a page that sends the browser to `url` again in a second, by when it has the session's new cookie. */
  showRetry: (ctx: Context, url: string) => void
  accountReset: () => Error
}

const repeatedHeaders = ['Location', 'Content-Type', 'Content-Security-Policy'] as const

type Response = { status: number; headers: Record<string, string>; cookies: string[]; body?: string }

/** What of an answer is repeated; it holds a code and a session id, and is kept sealed under the interaction's id. */
export function responseOf(ctx: Context): string {
  const { status, body } = ctx
  const headers = Object.fromEntries(repeatedHeaders.map((name) => [name, ctx.response.get(name)]))
  const cookies = [ctx.response.get('Set-Cookie')].flat().filter((cookie) => cookie !== '')
  const response: Response =
    typeof body === 'string' ? { status, headers, cookies, body } : { status, headers, cookies }
  return JSON.stringify(response)
}

function repeat(ctx: Context, text: string): void {
  const { status, headers, cookies, body } = JSON.parse(text) as Response
  ctx.body = body ?? null
  for (const [name, value] of Object.entries(headers)) {
    if (value === '') ctx.remove(name)
    else ctx.set(name, value)
  }
  ctx.set('Set-Cookie', cookies)
  ctx.status = status
}

/** Middleware around the unit of work: nothing of a late request was written, and the browser is told what to do. */
export function createStaleBrowserAnswers({ findResponse, showRetry, accountReset }: Deps) {
  const isForBrowsers = (path: string) => path.startsWith(routes.authorization) || path.startsWith(routes.end_session)

  function retry(ctx: Context, url: string): void {
    ctx.remove('Location')
    ctx.status = 200
    showRetry(ctx, url)
  }

  return async (ctx: Context, next: Next): Promise<void> => {
    const uid = resumedInteraction(ctx.path)
    try {
      await next()
    } catch (error) {
      if (!(error instanceof StaleBrowser)) throw error
      ctx.remove('Set-Cookie')
      if (error.reason === 'account') throw accountReset()
      const response = error.reason === 'outcome' && uid !== undefined ? await findResponse(uid) : undefined
      if (response !== undefined) return repeat(ctx, response)
      if (error.reason === 'outcome' || ctx.method !== 'GET' || !isForBrowsers(ctx.path)) throw interactionExpired()
      return retry(ctx, ctx.url)
    }
    if (uid === undefined || ctx.status !== 400) return
    const { oidc } = ctx as unknown as KoaContextWithOIDC
    const { Interaction } = oidc?.entities ?? {}
    // Another tab has renamed the session while this request was on its way: by then the browser has the new cookie. Tried once.
    const isRenamed = Interaction?.session?.uid !== undefined && oidc.session?.accountId === undefined
    if (isRenamed && ctx.query.again === undefined) return retry(ctx, `${ctx.path}?again=1`)
    // The engine does not find the interaction: this browser may have resumed it a moment ago and lost the answer.
    const response = Interaction === undefined ? await findResponse(uid) : undefined
    if (response !== undefined) repeat(ctx, response)
  }
}
