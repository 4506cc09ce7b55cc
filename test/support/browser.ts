/** A browser without JavaScript: cookies by the standard rules, forms, and redirects on request. */
import { CookieJar } from 'tough-cookie'

export type Page = {
  status: number
  url: string
  headers: Headers
  body: string
  /** The absolute target of a redirect or a meta refresh. */
  next: string | undefined
}

export type Form = { action: string; fields: Record<string, string> }

const entities: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#34;': '"',
  '&#39;': "'",
}
const unescapeHtml = (text: string): string =>
  text.replace(/&(?:amp|lt|gt|quot|#34|#39);/g, (entity) => entities[entity] ?? entity)

const attribute = (tag: string, name: string): string | undefined => {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1]
  return found === undefined ? undefined : unescapeHtml(found)
}

/** Every form of a page with its fields and values. An unchecked checkbox is not sent. */
export function formsOf(page: Page): Form[] {
  return [...page.body.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head = '', inner = '']) => ({
    action: new URL(attribute(head, 'action') ?? '', page.url).href,
    fields: Object.fromEntries(
      [...inner.matchAll(/<input\b[^>]*>/g)]
        .filter(([tag]) => !tag.includes('type="checkbox"') || / checked[ >]/.test(tag))
        .map(([tag]) => [attribute(tag, 'name'), attribute(tag, 'value') ?? ''] as const)
        .filter((pair): pair is [string, string] => pair[0] !== undefined),
    ),
  }))
}

export type Browser = ReturnType<typeof createBrowser>

/** `reach` maps a requested URL, for example to another process of the same issuer. */
export function createBrowser({ reach = (url: string) => url }: { reach?: (url: string) => string } = {}) {
  const jar = new CookieJar(undefined, { rejectPublicSuffixes: false })

  async function request(url: string, init: RequestInit = {}): Promise<Page> {
    const headers = new Headers(init.headers)
    const cookies = await jar.getCookieString(url)
    if (cookies && !headers.has('Cookie')) headers.set('Cookie', cookies)
    if (!headers.has('Accept')) headers.set('Accept', 'text/html,application/xhtml+xml')
    const response = await fetch(reach(url), { ...init, headers, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) await jar.setCookie(cookie, url, { ignoreError: true })
    const body = await response.text()
    const location =
      response.headers.get('Location') ??
      attribute(/<meta[^>]*http-equiv="refresh"[^>]*>/.exec(body)?.[0] ?? '', 'content')
    const target = location?.replace(/^\d+;\s*url=/i, '')
    return {
      status: response.status,
      url,
      headers: response.headers,
      body,
      next: target === undefined ? undefined : new URL(target, url).href,
    }
  }

  const get = (url: string, headers?: Record<string, string>) => request(url, { headers })

  const post = (url: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    request(url, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { Origin: new URL(url).origin, 'Sec-Fetch-Site': 'same-origin', ...headers },
    })

  /** Sends the form of `page` with that action suffix. `fields` override the form's own fields. */
  function submit(
    page: Page,
    suffix: string,
    fields: Record<string, string> = {},
    headers: Record<string, string> = {},
  ): Promise<Page> {
    const form = formsOf(page).find(({ action }) => new URL(action).pathname.endsWith(suffix))
    if (!form)
      throw new Error(`no form ending with ${suffix} on ${page.status} ${page.url}:\n${page.body.slice(0, 2000)}`)
    return post(form.action, { ...form.fields, ...fields }, headers)
  }

  /** Follows redirects and meta refreshes on this origin. Returns the last page. */
  async function follow(start: Page): Promise<Page> {
    let page = start
    for (let hops = 0; page.next !== undefined && hops < 12; hops += 1) {
      if (new URL(page.next).origin !== new URL(page.url).origin) return page
      page = await get(page.next)
    }
    return page
  }

  return { jar, request, get, post, submit, follow }
}
