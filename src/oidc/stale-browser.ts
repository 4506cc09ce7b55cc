/**
 * Late requests of a browser: the session was renamed or ended, the account was reset, or the
 * interaction was resumed.
 */
import type { Context, Next } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { StaleBrowser } from '../../adapters/index.ts'
import type { Random } from '../random.ts'
import { endpointAt, resumedInteraction, routes } from './endpoints.ts'
import { interactionAnswered, interactionExpired } from './errors.ts'

type Deps = {
  /** The response that resumed the interaction a moment ago. */
  findResponse: (uid: string) => Promise<string | undefined>
  /**
   * Shows a page that opens `url` after some seconds. By then the browser has the session's new
   * cookie.
   */
  showRetry: (ctx: Context, url: string, afterSeconds: number) => void
  accountReset: () => Error
  sessionCookie: SessionCookie
  /** Whether the session with this id is active. */
  isLiving: (sessionId: string) => Promise<boolean>
  /** Destroys the interaction `uid` and clears its cookie. */
  endInteraction: (ctx: Context, uid: string) => Promise<void>
  random: Pick<Random, 'bytes'>
  /** The URL of a request, without data that identifies a user (`post-to-get.ts`). */
  requestUrlOf: (path: string, query: string) => Promise<string>
}

type SessionCookie = Readonly<{
  name: () => string
  read: (ctx: Context) => string | undefined
  clear: (ctx: Context) => void
}>

const maxRetries = 8

const repeatedHeaders = ['Location', 'Content-Type', 'Content-Security-Policy'] as const

type Response = { status: number; headers: Record<string, string>; cookies: string[]; body?: string }

/**
 * The repeatable part of a response. It contains a code and a session id, and is stored sealed
 * under the interaction's id.
 */
export function responseOf(ctx: Context): string {
  const { status, body } = ctx
  const headers = Object.fromEntries(repeatedHeaders.map((name) => [name, ctx.response.get(name)]))
  const cookies = [ctx.response.get('Set-Cookie')].flat().filter((cookie) => cookie !== '')
  const response: Response =
    typeof body === 'string' ? { status, headers, cookies, body } : { status, headers, cookies }
  return JSON.stringify(response)
}

function repeat(ctx: Context, { status, headers, cookies, body }: Response): void {
  ctx.body = body ?? null
  for (const [name, value] of Object.entries(headers)) {
    if (value === '') ctx.remove(name)
    else ctx.set(name, value)
  }
  ctx.set('Set-Cookie', cookies)
  ctx.status = status
}

/**
 * Middleware around the unit of work. It answers a late request, whose conditional writes were not
 * made.
 */
export function createStaleBrowserAnswers(deps: Deps) {
  const { findResponse, accountReset, sessionCookie, isLiving, random } = deps
  const isForBrowsers = (path: string) => endpointAt(path)?.caller === 'browser'

  /** The delay is random, so that late tabs do not retry at the same moment. */
  async function retry(ctx: Context, path: string, query = ''): Promise<void> {
    const url = await deps.requestUrlOf(path, query)
    ctx.remove('Location')
    ctx.status = 200
    deps.showRetry(ctx, url, 1 + ((random.bytes(1)[0] ?? 0) % 3))
  }

  /** Omits the cookie of a session that got a new id since: it would sign this browser out. */
  async function repeatLiving(ctx: Context, text: string): Promise<void> {
    const response = JSON.parse(text) as Response
    const name = sessionCookie.name()
    const own = response.cookies.filter((cookie) => cookie.startsWith(`${name}=`) || cookie.startsWith(`${name}.sig=`))
    const id = /=([^;]*)/.exec(own.find((cookie) => cookie.startsWith(`${name}=`)) ?? '')?.[1]
    const isKept = id === undefined || (await isLiving(id))
    repeat(
      ctx,
      isKept ? response : { ...response, cookies: response.cookies.filter((cookie) => !own.includes(cookie)) },
    )
  }

  /** Repeats the client's request from the beginning. */
  async function restartRequest(ctx: Context, uid: string, params: Readonly<Record<string, unknown>>): Promise<void> {
    await deps.endInteraction(ctx, uid)
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(params)) {
      for (const item of Array.isArray(value) ? value : [value])
        if (item !== undefined) query.append(name, String(item))
    }
    const requestUrl = await deps.requestUrlOf(routes.authorization, query.toString())
    ctx.body = null
    ctx.status = 303
    ctx.set('Location', requestUrl)
  }

  /**
   * A reset ends the sessions of the account. An active session is from a version without
   * generations, so its cookie is cleared.
   */
  async function answerReset(ctx: Context, uid: string | undefined): Promise<void> {
    const id = sessionCookie.read(ctx)
    if (id !== undefined && (await isLiving(id))) sessionCookie.clear(ctx)
    if (uid !== undefined || ctx.method !== 'GET' || !isForBrowsers(ctx.path)) throw accountReset()
    await retry(ctx, ctx.path, ctx.querystring)
  }

  return async (ctx: Context, next: Next): Promise<void> => {
    const uid = resumedInteraction(ctx.path)
    try {
      await next()
    } catch (error) {
      if (!(error instanceof StaleBrowser)) throw error
      ctx.remove('Set-Cookie')
      if (error.reason === 'account') return answerReset(ctx, uid)
      if (error.reason === 'answer') throw interactionAnswered()
      // The second of two requests that resume one interaction may fail because of the session, so
      // the response is looked up for both reasons.
      const response = uid === undefined ? undefined : await findResponse(uid)
      if (response !== undefined) return repeatLiving(ctx, response)
      if (error.reason === 'outcome' || ctx.method !== 'GET' || !isForBrowsers(ctx.path)) throw interactionExpired()
      return retry(ctx, ctx.path, ctx.querystring)
    }
    if (ctx.status !== 400) return
    const { oidc } = ctx as KoaContextWithOIDC
    const isLost =
      oidc?.session !== undefined && oidc.session.accountId === undefined && sessionCookie.read(ctx) !== undefined
    // Another tab has renamed the session of this sign-out: the page asks again under the new name.
    if (isLost && ctx.path === routes.end_session_confirm) return retry(ctx, routes.end_session)
    if (uid === undefined) return
    const { Interaction } = oidc?.entities ?? {}
    const isRenamed = Interaction?.session?.uid !== undefined && oidc.session?.accountId === undefined
    // This browser may have resumed the interaction a moment ago without receiving the response.
    const response = Interaction === undefined || isRenamed ? await findResponse(uid) : undefined
    if (response !== undefined) return repeatLiving(ctx, response)
    // Another tab renamed the session during this request: the browser gets the new cookie soon.
    const tries = Number(ctx.query.again ?? 0)
    if (isRenamed) return tries < maxRetries ? retry(ctx, ctx.path, `again=${tries + 1}`) : undefined
    // Tabs that signed in at the same moment created several sessions. The request starts again
    // in the session that the browser kept.
    const isOfOtherSession = Interaction?.session?.uid !== undefined && Interaction.session.uid !== oidc.session?.uid
    if (isOfOtherSession) await restartRequest(ctx, uid, Interaction.params)
  }
}
