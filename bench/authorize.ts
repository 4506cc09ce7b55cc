/**
 * One user's way through the authorization endpoint: follows redirects and submits the first form
 * of each page.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Answer, Browser } from './browser.ts'
import { person, web } from './development.ts'

export type Endpoints = {
  authorization_endpoint: string
  token_endpoint: string
  userinfo_endpoint: string
  introspection_endpoint: string
}

export type Tokens = { access_token: string; refresh_token: string; id_token: string }

export type Credentials = { email: string; password: string }

const maxSteps = 12
const webCredentials = `client_id=${web.clientId}&client_secret=${web.clientSecret}`
const entities: Record<string, string> = { '&amp;': '&', '&#34;': '"', '&quot;': '"', '&#39;': "'" }
const unescapeHtml = (text: string): string => text.replace(/&(amp|#34|quot|#39);/g, (entity) => entities[entity]!)

/**
 * The address and the body of the page's first POST form, which continues. `filled` gives the
 * values of its fields.
 */
function fillForm(html: string, filled: Readonly<Record<string, string>> = person): { action: string; form: string } {
  const [, attributes, content] = /<form([^>]*method="post"[^>]*)>(.*?)<\/form>/is.exec(html) ?? []
  const action = /action="([^"]*)"/i.exec(attributes ?? '')?.[1]
  if (attributes === undefined || content === undefined || !action) throw new Error(`a page without a form: ${html}`)
  const fields = new URLSearchParams()
  for (const [input] of content.matchAll(/<input[^>]*>/gi)) {
    const name = /name="([^"]*)"/i.exec(input)?.[1]
    if (!name) continue
    const value = unescapeHtml(/value="([^"]*)"/i.exec(input)?.[1] ?? '')
    fields.set(name, filled[name] ?? value)
  }
  return { action: unescapeHtml(action), form: fields.toString() }
}

/**
 * The target of a page's meta refresh (status 200): Latchkey's answer to the last form. The engine
 * answers 303.
 */
const refreshTarget = (html: string): string | undefined => {
  const target = /<meta http-equiv="refresh" content="0; ?url=([^"]*)"/i.exec(html)?.[1]
  return target === undefined ? undefined : unescapeHtml(target)
}

function authorizationUrl(endpoints: Endpoints, verifier: string, more: Record<string, string>): string {
  const query = new URLSearchParams({
    client_id: web.clientId,
    redirect_uri: web.redirectUri,
    response_type: 'code',
    scope: web.scope,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  })
  return `${endpoints.authorization_endpoint}?${query}`
}

/**
 * Sends the first form of a page with these values. Statuses outside 2xx are accepted when they are
 * `expected`.
 */
export type Submit = (filled: Readonly<Record<string, string>>, expected?: readonly number[]) => Promise<Answer>

/**
 * Opens a page with a form. Returns the function that sends it; the page of each answer is the next
 * form.
 */
export async function openForm(browser: Browser, target: string): Promise<Submit> {
  let { body } = await browser.send('GET', target, { withCookies: true })
  return async (filled, expected = []) => {
    const { action, form } = fillForm(body, filled)
    const answer = await browser.send('POST', action, { form, withCookies: true, expected })
    body = answer.body
    return answer
  }
}

/** Requests a code in a browser without a session, up to the login page. */
export async function openLogin(browser: Browser, endpoints: Endpoints): Promise<Submit> {
  const { origin } = new URL(endpoints.authorization_endpoint)
  const start = authorizationUrl(endpoints, randomBytes(32).toString('base64url'), {})
  const { location } = await browser.send('GET', start, { withCookies: true })
  if (!location) throw new Error(`no login page behind ${start}`)
  return openForm(browser, new URL(location, origin).href)
}

/**
 * Requests a code and redeems it, with PKCE (RFC 7636) and state. `prompt` says which pages come in
 * between. Throws when an answer does not fit the flow.
 */
export async function authorize(
  browser: Browser,
  endpoints: Endpoints,
  { prompt, credentials = person }: { prompt?: string; credentials?: Credentials } = {},
): Promise<Tokens> {
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(8).toString('base64url')
  const origin = new URL(endpoints.authorization_endpoint).origin
  let target = authorizationUrl(endpoints, verifier, { state, ...(prompt && { prompt }) })
  for (let step = 0; step < maxSteps; step += 1) {
    if (target.startsWith(web.redirectUri)) break
    let answer = await browser.send('GET', target, { withCookies: true })
    if (answer.status === 200 && !refreshTarget(answer.body)) {
      const { action, form } = fillForm(answer.body, credentials)
      answer = await browser.send('POST', action, { form, withCookies: true })
    }
    const next = answer.location ?? refreshTarget(answer.body)
    if (!next) throw new Error(`nothing leads on from ${target}: ${answer.body}`)
    target = next.startsWith('/') ? origin + next : next
  }
  const callback = new URL(target).searchParams
  const code = callback.get('code')
  if (!code || callback.get('state') !== state) throw new Error(`no code came back: ${target}`)
  const redirectUri = encodeURIComponent(web.redirectUri)
  const form = `grant_type=authorization_code&code=${code}&redirect_uri=${redirectUri}&code_verifier=${verifier}&${webCredentials}`
  const tokens = JSON.parse((await browser.send('POST', endpoints.token_endpoint, { form })).body) as Tokens
  if (!tokens.access_token || !tokens.refresh_token || !tokens.id_token) throw new Error('a token is missing')
  return tokens
}
