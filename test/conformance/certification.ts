/**
 * The steps of the OpenID Foundation's certification plans over HTTP: two static clients without
 * PKCE, one browser.
 * The response is read in the plan's response mode. The names of the modules are those of the
 * conformance suite.
 */
import type { JWTPayload } from 'jose'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import type { Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey, testPassword, webSecret } from '../support/latchkey.ts'

export const responseModes = ['query', 'form_post'] as const
export type ResponseMode = (typeof responseModes)[number]

export const redirectUri = 'https://suite.example/test/a/latchkey/callback'
export const secondRedirectUri = `${redirectUri}?dummy1=lorem&dummy2=ipsum`
export const postLogoutUri = 'https://suite.example/test/a/latchkey/post_logout_redirect'
export const clientSecrets: Readonly<Record<string, string>> = { first: webSecret, second: `second ${webSecret}` }

export type Parameters = Record<string, string | undefined>
export type Answer = Readonly<Record<string, string>>

/** A server with the two clients of a plan with static registration. */
export async function startCertified(metadata: Record<string, unknown> = {}): Promise<Latchkey> {
  const server = await startLatchkey()
  const scope = 'openid profile email phone address offline_access'
  for (const [clientId, secret] of Object.entries(clientSecrets)) {
    await server.addClient({
      clientId,
      kind: 'web',
      secret,
      requirePkce: false,
      metadata: {
        client_name: `Certification ${clientId}`,
        redirect_uris: [redirectUri, secondRedirectUri],
        post_logout_redirect_uris: [postLogoutUri],
        scope,
        ...metadata,
      },
    })
  }
  const alice = await server.parts.accounts.findByEmail('alice@example.com')
  await server.parts.accounts.update(
    alice!.id,
    {
      email: 'alice@example.com',
      givenName: 'Alice',
      familyName: 'Liddell',
      nickname: 'Al',
      website: 'https://alice.example/',
      phoneNumber: '+4312345678',
      address: { street_address: 'Rabbit Hole 1', locality: 'Oxford', country: 'UK' },
    },
    { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } },
  )
  return server
}

/** The target and the fields of a form_post page; undefined for any other page. */
function formPostOf(page: Page): { action: string; fields: Answer } | undefined {
  const action = /<form[^>]*action="([^"]*)"/.exec(page.body)?.[1]?.replaceAll('&amp;', '&')
  if (action === undefined || !action.startsWith(redirectUri)) return undefined
  const inputs = page.body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)
  return { action, fields: Object.fromEntries([...inputs].map(([, name, value]) => [name, value])) }
}

export type Suite = ReturnType<typeof createSuite>

/** One browser at one server. Every response must use the plan's response mode. */
export function createSuite(server: Latchkey, mode: ResponseMode) {
  const browser = createBrowser()
  const shown: string[] = []

  const authorizeUrl = (parameters: Parameters = {}): string => {
    const url = new URL(`${server.issuer}/authorize`)
    const all: Parameters = {
      client_id: 'first',
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid',
      state: 'the-state',
      nonce: 'the-nonce',
      ...(mode === 'form_post' && { response_mode: mode }),
      ...parameters,
    }
    for (const [name, value] of Object.entries(all)) if (value !== undefined) url.searchParams.set(name, value)
    return url.href
  }

  /** The response to the client in `page`, in this plan's mode; undefined for a user's page. */
  function answerIn(page: Page): Answer | undefined {
    const form = formPostOf(page)
    if (form && mode !== 'form_post') throw new Error('the answer came by form_post')
    if (form) return form.fields
    if (page.next === undefined) return undefined
    if (!page.next.startsWith(redirectUri)) throw new Error(`the browser was sent to ${page.next}`)
    if (mode !== 'query') throw new Error('the answer came in the query')
    const added = [...new URL(page.next).searchParams].filter(([name]) => !name.startsWith('dummy'))
    return Object.fromEntries(added)
  }

  /** Signs in, allows and chooses until there is a response. `pages` lists the pages on the way. */
  async function complete(start: Page): Promise<{ answer: Answer; pages: string[] }> {
    const pages: string[] = []
    let page = await browser.follow(start)
    for (let steps = 0; steps < 6; steps += 1) {
      const answer = answerIn(page)
      if (answer) return { answer, pages }
      const step = ['login', 'consent', 'account'].find((name) =>
        page.body.includes(name === 'login' ? 'name="password"' : `/${name}"`),
      )
      if (!step) throw new Error(`no way on from ${page.status} ${page.url}:\n${page.body.slice(0, 2000)}`)
      pages.push(step)
      shown.push(page.body)
      const fields: Record<string, string> =
        step === 'login' ? { email: 'alice@example.com', password: testPassword } : {}
      page = await browser.follow(await browser.submit(page, `/${step}`, fields))
    }
    throw new Error(`the flow did not end: ${page.status} ${page.url}`)
  }

  const authorize = async (parameters: Parameters = {}) => complete(await browser.get(authorizeUrl(parameters)))

  async function token(fields: Record<string, string>, { client = 'first', method = 'basic' } = {}) {
    const secret = clientSecrets[client] ?? ''
    const headers = {
      Authorization: `Basic ${Buffer.from(`${client}:${encodeURIComponent(secret)}`).toString('base64')}`,
    }
    const response = await fetch(`${server.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams(method === 'basic' ? fields : { ...fields, client_id: client, client_secret: secret }),
      ...(method === 'basic' && { headers }),
    })
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
    return { status: response.status, headers: response.headers, body: (await response.json()) as any }
  }

  const exchange = (code: string | undefined, more: Record<string, string> = {}, how = {}) =>
    token({ grant_type: 'authorization_code', code: code ?? '', redirect_uri: redirectUri, ...more }, how)

  /** The whole flow: the response, the tokens, and the verified ID token. */
  async function flow(parameters: Parameters = {}, more: Record<string, string> = {}) {
    const { answer, pages } = await authorize(parameters)
    const { status, headers, body } = await exchange(answer.code, more)
    if (status !== 200) throw new Error(`the token endpoint answered ${status} ${JSON.stringify(body)}`)
    const idToken = await verified(body.id_token)
    return { answer, pages, headers, tokens: body, idToken }
  }

  /** A relying party's checks: OpenID Connect Core 1.0 §3.1.3.7. */
  async function verified(jwt: string, audience = 'first'): Promise<JWTPayload> {
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/jwks`))
    const { kid } = decodeProtectedHeader(jwt)
    if (!kid) throw new Error('the ID token names no key')
    const options = {
      issuer: server.issuer,
      audience,
      algorithms: ['RS256'],
      currentDate: new Date(server.clock.now()),
    }
    return (await jwtVerify(jwt, keys, { ...options, requiredClaims: ['sub', 'exp', 'iat'] })).payload
  }

  async function userinfo(accessToken: string, how: 'get' | 'post-header' | 'post-body' = 'get') {
    const inHeader = { headers: { Authorization: `Bearer ${accessToken}` } }
    const init: RequestInit = {
      get: inHeader,
      'post-header': { method: 'POST', ...inHeader },
      'post-body': { method: 'POST', body: new URLSearchParams({ access_token: accessToken }) },
    }[how]
    const response = await fetch(`${server.issuer}/userinfo`, init)
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
    return { status: response.status, body: (await response.json()) as any }
  }

  async function discovery() {
    const response = await fetch(`${server.issuer}/.well-known/openid-configuration`)
    return (await response.json()) as Record<string, string[]>
  }

  return {
    discovery,
    browser,
    shown,
    authorizeUrl,
    answerIn,
    complete,
    authorize,
    token,
    exchange,
    flow,
    verified,
    userinfo,
  }
}
