/**
 * An interaction belongs to the browser that began it, by its cookie at load, finish and resume.
 */
import type { ServerResponse } from 'node:http'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import Koa from 'koa'
import { createInteractions } from '../../src/oidc/interaction.ts'
import { createInteractionCookie } from '../../src/oidc/interaction-cookie.ts'
import type { Browser } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, testPassword } from '../support/latchkey.ts'

const person = { email: 'alice@example.com', password: testPassword }
let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
  await createRelyingParty(server).signIn()
})
afterAll(() => server.stop())

const uidIn = (url: string): string => new URL(url).pathname.split('/')[2] ?? ''
const cookieName = (uid: string): string => `latchkey.i.${uid}`

/** The interactions that this browser has a cookie for, newest last. */
async function held({ jar }: Browser): Promise<string[]> {
  const cookies = await jar.getCookies(server.issuer)
  return cookies.map(({ key }) => key).filter((name) => name.startsWith('latchkey.i.'))
}

/** The cookies that the browser would send to `url`, without the one of interaction `uid`. */
async function cookiesWithout({ jar }: Browser, url: string, uid: string): Promise<string> {
  const cookies = await jar.getCookies(url)
  return cookies
    .filter(({ key }) => key !== cookieName(uid))
    .map((cookie) => cookie.cookieString())
    .join('; ')
}

async function begin(rp = createRelyingParty(server)) {
  const answer = await rp.browser.get(await rp.authorizeUrl())
  const url = answer.next ?? ''
  return { rp, browser: rp.browser, answer, url, uid: uidIn(url), resume: `${server.issuer}/authorize/${uidIn(url)}` }
}

/** An interaction that is answered and not resumed yet. */
async function beginAnswered() {
  const begun = await begin()
  const page = await begun.browser.submit(await begun.browser.get(begun.url), '/login', person)
  expect(page.next).toBe(begun.resume)
  return begun
}

describe('the cookie', () => {
  test('is a host cookie, valid for an hour, without a signature', async () => {
    const { answer, uid } = await begin()
    const cookies = answer.headers.getSetCookie().filter((cookie) => cookie.includes('latchkey.i.'))
    const [cookie = ''] = cookies
    expect(cookies).toHaveLength(1)
    expect(cookie).toMatch(
      new RegExp(`^latchkey\\.i\\.${uid}=${server.clock.now()}; path=/; expires=[^;]+; samesite=lax; httponly$`, 'i'),
    )
    const expires = Date.parse(/expires=([^;]+)/.exec(cookie)?.[1] ?? '')
    expect(Math.abs(expires - Date.now() - 3_600_000)).toBeLessThan(60_000)
  })

  test('has the prefix __Host- and Secure over https (RFC 6265bis §4.1.3.2)', () => {
    const cookie = createInteractionCookie({ issuer: 'https://login.example.com', clock: server.clock })
    const { ctx, setCookies } = contextWith('')
    cookie.set(ctx, 'an-interaction')
    expect(setCookies()).toEqual([
      expect.stringMatching(
        /^__Host-latchkey\.i\.an-interaction=\d+; path=\/; expires=[^;]+; samesite=lax; secure; httponly$/i,
      ),
    ])
  })

  test.each([
    ['latchkey.i.an-interaction=1', 'no prefix'],
    ['__host-latchkey.i.an-interaction=1', 'another spelling of the prefix'],
    ['__Secure-latchkey.i.an-interaction=1', 'another prefix'],
    ['__Host-latchkey.i.an-interaction=', 'no value'],
    ['__Host-latchkey.i.an-interaction=x', 'a value that is no moment'],
    ['__Host-latchkey.i.an-interaction-2=1', 'another interaction'],
    ['a=__Host-latchkey.i.an-interaction=1', 'the name inside a value'],
  ])('is not accepted as %s (%s)', (header) => {
    const cookie = createInteractionCookie({ issuer: 'https://login.example.com', clock: server.clock })
    expect(cookie.isKnown(contextWith(header).ctx, 'an-interaction')).toBe(false)
    expect(cookie.isKnown(contextWith(`${header}; __Host-latchkey.i.an-interaction=1`).ctx, 'an-interaction')).toBe(
      true,
    )
  })

  test('is removed when the resumed request has consumed the interaction', async () => {
    const { browser, rp, url, uid } = await begin()
    expect(await held(browser)).toEqual([cookieName(uid)])
    const answer = await rp.complete(await browser.get(url))
    expect(answer).toHaveProperty('code')
    expect(await held(browser)).toEqual([])
  })

  test('is removed when the user cancels', async () => {
    const { browser, url } = await begin()
    const left = await browser.follow(await browser.submit(await browser.get(url), '/cancel'))
    expect(left.next).toContain('error=access_denied')
    expect(await held(browser)).toEqual([])
  })

  test('is replaced for each further prompt', async () => {
    const rp = createRelyingParty(server)
    const browser = rp.browser
    const first = (await browser.get(await rp.authorizeUrl({ prompt: 'consent' }))).next ?? ''
    const answered = await browser.submit(await browser.get(first), '/login', person)
    const second = (await browser.get(answered.next ?? '')).next ?? ''
    expect(uidIn(second)).not.toBe(uidIn(first))
    expect(await held(browser)).toEqual([cookieName(uidIn(second))])
    expect(await rp.complete(await browser.get(second))).toHaveProperty('code')
  })
})

describe('without the cookie', () => {
  test('an interaction is not shown and its forms are refused, with 400', async () => {
    const { browser, url, uid } = await begin()
    const page = await browser.get(url)
    const Cookie = await cookiesWithout(browser, url, uid)
    const shown = await browser.get(url, { Cookie })
    expect([shown.status, shown.body.includes('<code>interaction_expired</code>')]).toEqual([400, true])
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
    for (const [step, fields] of [
      ['login', person],
      ['passkey', { response: '{}' }],
      ['cancel', {}],
      ['switch', {}],
    ] as const) {
      const sent = await browser.post(`${url}/${step}`, { ...fields, csrf }, { Cookie })
      expect([step, sent.status, sent.body.includes('<code>interaction_expired</code>')]).toEqual([step, 400, true])
    }
    expect((await browser.submit(page, '/login', person)).status).toBe(200)
  })

  test('an interaction cannot be finished, cancelled or switched to another account', async () => {
    const { browser, url, uid } = await begin()
    const cookie = createInteractionCookie({ issuer: server.issuer, clock: server.clock })
    const interactions = createInteractions({
      provider: server.parts.engine.provider,
      cookie,
      generationOf: server.parts.artifacts.generationOf,
      outcomes: server.parts.artifacts.outcomes,
      setAnswer: server.parts.artifacts.setAnswer,
    })
    const { ctx } = contextWith(await cookiesWithout(browser, url, uid), `/interaction/${uid}`)
    const login = { accountId: 'somebody' }
    const expired = expect.objectContaining({ code: 'interaction_expired', status: 400 })
    await expect(interactions.finish(ctx, { login }, 'login')).rejects.toEqual(expired)
    await expect(interactions.abandon(ctx, uid)).rejects.toEqual(expired)
    await expect(interactions.leaveSession(ctx, uid)).rejects.toEqual(expired)
    const own = contextWith((await browser.jar.getCookieString(url)) ?? '', `/interaction/${uid}`)
    expect(await interactions.finish(own.ctx, { error: 'access_denied' }, 'cancel')).toContain(`/authorize/${uid}`)
  })

  test('a sign-in is not resumed: page 400, no session, no code, and the interaction is not consumed', async () => {
    const { browser, resume, uid } = await beginAnswered()
    const Cookie = await cookiesWithout(browser, resume, uid)
    for (const [method, status] of [
      ['GET', 400],
      ['HEAD', 405],
    ] as const) {
      const refused = await browser.request(resume, { method, headers: { Cookie } })
      expect([refused.status, refused.next]).toEqual([status, undefined])
      expect(refused.headers.getSetCookie()).toEqual([])
    }
    const refused = await browser.get(resume, { Cookie })
    expect(refused.body).toContain('<code>interaction_expired</code>')
    expect((await browser.get(resume)).next).toContain('code=')
  })
})

test("a path, the engine's cookie and the browser's cookie must name the same interaction to resume it", async () => {
  const own = await begin()
  const other = await beginAnswered()
  const cookies = async ({ browser, resume }: typeof own) => {
    const pairs = (await browser.jar.getCookies(resume)).map((cookie) => cookie.cookieString())
    const pick = (part: string) => pairs.filter((pair) => pair.includes(part)).join('; ')
    return { resume: pick('latchkey.resume'), binding: pick('latchkey.i.') }
  }
  const mine = await cookies(own)
  const theirs = await cookies(other)
  const { get } = createBrowser()
  for (const [what, url, Cookie] of [
    ['his answer at her address', own.resume, `${theirs.resume}; ${mine.binding}`],
    ['his answer and his address', other.resume, `${theirs.resume}; ${mine.binding}`],
    ['her cookies at his address', other.resume, `${mine.resume}; ${mine.binding}`],
    ['no answer', other.resume, theirs.binding],
    ['an answer without its signature', other.resume, `latchkey.resume=${other.uid}; ${theirs.binding}`],
  ] as const) {
    const refused = await get(url, { Cookie })
    expect([what, refused.status, refused.next]).toEqual([what, 400, undefined])
  }
  const resumed = await get(other.resume, { Cookie: `${theirs.resume}; ${theirs.binding}` })
  expect(resumed.next).toContain('code=')
})

describe('eight tabs opened at once in a browser without cookies', () => {
  async function openTabs() {
    const rp = createRelyingParty(server)
    const begun = await Promise.all(Array.from({ length: 8 }, () => begin(rp)))
    // Each tab requests its page before it has the response of another tab.
    const pages = await Promise.all(begun.map(({ url }) => rp.browser.get(url)))
    return { rp, pages }
  }

  test('all finish, one after the other', async () => {
    const { rp, pages } = await openTabs()
    for (const page of pages) expect(await rp.complete(page)).toHaveProperty('code')
    expect(await held(rp.browser)).toEqual([])
  })

  test('all finish when they are answered and resumed at once', async () => {
    const { rp, pages } = await openTabs()
    const answers = await Promise.all(pages.map((page) => rp.complete(page)))
    expect(answers.map(({ code }) => typeof code)).toEqual(Array.from({ length: 8 }, () => 'string'))
  })
})

test('a form is accepted with the cookie of its own interaction, and not with that of another one', async () => {
  const rp = createRelyingParty(server)
  const first = await begin(rp)
  const page = await rp.browser.get(first.url)
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
  // A tab that is opened at the same moment replaces the browser cookie like this.
  await rp.browser.jar.setCookie(`latchkey.browser=${'x'.repeat(43)}; Path=/`, server.issuer)
  const second = await begin(rp)
  const elsewhere = await rp.browser.post(`${second.url}/login`, { ...person, csrf })
  expect([elsewhere.status, elsewhere.body.includes('<code>csrf_failed</code>')]).toEqual([403, true])
  const stranger = createBrowser()
  expect((await stranger.post(`${first.url}/login`, { ...person, csrf })).status).toBe(403)
  expect((await rp.browser.post(`${first.url}/login`, { ...person, csrf })).status).toBe(200)
})

test('of more than twenty interactions the newest twenty are remembered, and the header stays small', async () => {
  const rp = createRelyingParty(server)
  const begun: Awaited<ReturnType<typeof begin>>[] = []
  for (let count = 0; count < 25; count += 1) {
    begun.push(await begin(rp))
    server.clock.advance(1000)
  }
  const newest = begun.slice(-20)
  expect((await held(rp.browser)).sort()).toEqual(newest.map(({ uid }) => cookieName(uid)).sort())
  const header = await rp.browser.jar.getCookieString(newest[0]!.url)
  expect(header.length).toBeLessThan(2000)
  expect((await rp.browser.get(begun[4]!.url)).status).toBe(400)
  for (const { url } of [newest[0]!, newest[19]!]) {
    expect(await rp.complete(await rp.browser.get(url))).toHaveProperty('code')
  }
})

/** The Koa context of a request with these cookies. */
function contextWith(cookie: string, path = '/') {
  const app = new Koa()
  app.keys = server.parts.cookieKeys
  const req = new IncomingMessage(new Socket())
  Object.assign(req, { method: 'GET', url: path, headers: { cookie, host: 'login.example.com' } })
  const sent: string[] = []
  const res = {
    getHeader: () => sent,
    setHeader: (_name: string, value: string[]) => sent.splice(0, sent.length, ...value),
  }
  const ctx = app.createContext(req, res as unknown as ServerResponse)
  Object.defineProperty(ctx.cookies, 'secure', { value: true })
  return { ctx, setCookies: () => sent }
}
