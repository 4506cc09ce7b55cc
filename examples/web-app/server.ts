/**
 * A web app with a "Log in with Latchkey" button: openid-client on Node's own HTTP server, sessions
 * in memory.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import * as client from 'openid-client'
import type { Running } from '../listen.ts'
import { listen } from '../listen.ts'
import { homePage, problemPage } from './pages.ts'

export type WebAppOptions = { issuer: string; port: number; clientId: string; clientSecret: string; scope: string }

/** The session of one browser. Tokens stay on the server; the browser gets only a random id. */
export type Session = {
  login?: { codeVerifier: string; state: string; nonce: string }
  user?: {
    idToken: string
    refreshToken: string | undefined
    accessTokenExpiresAt: Date
    claims: Record<string, unknown>
    refreshed: number
  }
}

/** The values of the development seed. */
export const developmentOptions: WebAppOptions = {
  issuer: 'http://localhost:3000',
  port: 3001,
  clientId: 'demo-web',
  clientSecret: 'demo-web-secret-for-development-only',
  scope: 'openid profile email',
}

const cookieName = 'demo_web_session'

/** Starts the app; throws when no authorization server answers at `issuer`. */
export async function start(options: WebAppOptions): Promise<Running> {
  const { issuer, port, clientId, clientSecret, scope } = options
  // Plain http is for a server on this machine. With an https issuer the option is not needed.
  const insecure = issuer.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : undefined
  const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, insecure)
  const sessions = new Map<string, Session>()

  const app = await listen(port, async (req, res) => {
    const url = new URL(req.url ?? '/', app.url)
    const session = sessions.get(readCookie(req) ?? '')
    switch (`${req.method} ${url.pathname}`) {
      case 'GET /':
        return sendPage(res, 200, homePage(session))
      case 'GET /login':
        return redirect(res, (await beginLogin(res)).href)
      case 'GET /callback':
        return finishLogin(res, url, session)
      case 'POST /refresh':
        return refresh(res, session)
      case 'POST /logout':
        return logout(req, res, session)
      default:
        return sendPage(res, 404, problemPage('There is no such page.'))
    }
  })
  const redirectUri = new URL('/callback', app.url).href

  async function beginLogin(res: ServerResponse): Promise<URL> {
    const login = {
      codeVerifier: client.randomPKCECodeVerifier(),
      state: client.randomState(),
      nonce: client.randomNonce(),
    }
    openSession(res, { login })
    return client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope,
      state: login.state,
      nonce: login.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(login.codeVerifier),
      code_challenge_method: 'S256',
    })
  }

  async function finishLogin(res: ServerResponse, url: URL, session: Session | undefined): Promise<void> {
    if (!session?.login) return sendPage(res, 400, problemPage('This browser began no login here.'))
    const { codeVerifier, state, nonce } = session.login
    session.login = undefined
    try {
      const tokens = await client.authorizationCodeGrant(config, url, {
        pkceCodeVerifier: codeVerifier,
        expectedState: state,
        expectedNonce: nonce,
      })
      const idTokenClaims = tokens.claims()!
      const userinfo = await client.fetchUserInfo(config, tokens.access_token, idTokenClaims.sub)
      // A new session id after the login, so that an id planted before is worthless.
      openSession(res, {
        user: {
          idToken: tokens.id_token!,
          refreshToken: tokens.refresh_token,
          accessTokenExpiresAt: expiry(tokens.expiresIn()),
          claims: { ...idTokenClaims, ...userinfo },
          refreshed: 0,
        },
      })
    } catch (error) {
      if (error instanceof client.AuthorizationResponseError && error.error === 'access_denied') {
        return sendPage(res, 200, problemPage('You cancelled the login.'))
      }
      console.error(error)
      return sendPage(res, 400, problemPage('The login did not succeed.'))
    }
    redirect(res, '/')
  }

  async function refresh(res: ServerResponse, session: Session | undefined): Promise<void> {
    if (!session?.user?.refreshToken) return redirect(res, '/')
    try {
      const tokens = await client.refreshTokenGrant(config, session.user.refreshToken)
      // Each refresh token works once: the new one replaces it.
      session.user.refreshToken = tokens.refresh_token ?? session.user.refreshToken
      session.user.idToken = tokens.id_token ?? session.user.idToken
      session.user.accessTokenExpiresAt = expiry(tokens.expiresIn())
      session.user.refreshed += 1
    } catch (error) {
      if (!(error instanceof client.ResponseBodyError) || error.error !== 'invalid_grant') throw error
      session.user = undefined // Latchkey's session has ended, so this one ends as well.
    }
    redirect(res, '/')
  }

  async function logout(req: IncomingMessage, res: ServerResponse, session: Session | undefined): Promise<void> {
    sessions.delete(readCookie(req) ?? '')
    res.setHeader('set-cookie', `${cookieName}=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0`)
    if (!session?.user) return redirect(res, '/')
    const { idToken } = session.user
    const url = client.buildEndSessionUrl(config, { id_token_hint: idToken, post_logout_redirect_uri: app.url })
    redirect(res, url.href)
  }

  /**
   * SameSite=Lax: POSTs from other sites to /refresh and /logout come without the cookie. Behind
   * https, add `Secure`.
   */
  function openSession(res: ServerResponse, session: Session): void {
    const id = randomBytes(32).toString('base64url')
    sessions.set(id, session)
    res.setHeader('set-cookie', `${cookieName}=${id}; HttpOnly; SameSite=Lax; Path=/`)
  }

  return app
}

const readCookie = (req: IncomingMessage): string | undefined =>
  req.headers.cookie
    ?.split('; ')
    .find((pair) => pair.startsWith(`${cookieName}=`))
    ?.slice(cookieName.length + 1)

const expiry = (expiresInSeconds: number | undefined): Date => new Date(Date.now() + (expiresInSeconds ?? 0) * 1000)

function redirect(res: ServerResponse, location: string): void {
  res.writeHead(303, { location }).end()
}

function sendPage(res: ServerResponse, status: number, html: string): void {
  res.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(html)
}

if (import.meta.main) {
  const { ISSUER: issuer = developmentOptions.issuer, PORT: port = developmentOptions.port } = process.env
  const { url } = await start({ ...developmentOptions, issuer, port: Number(port) })
  console.log(`Web app: ${url}`)
}
