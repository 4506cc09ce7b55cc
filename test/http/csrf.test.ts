/** A form is accepted only when it was sent by one of the server's pages in this browser. */
import { z } from 'zod'
import { api, form } from '../../src/http/route.ts'
import type { TestServer } from './support.ts'
import { pageRoute, startTestServer } from './support.ts'

const issuer = 'https://login.example.com'
const login = { action: '/change', cancelAction: '/cancel', email: '' }
let server: TestServer
let changes: number

const startServer = (url: string) =>
  startTestServer({
    issuer: url,
    routes: ({ views }) => [
      pageRoute(views, '/form', 'login', login),
      pageRoute(views, '/plain', 'home', { issuer: '', discoveryUrl: '' }),
      form({
        path: '/change',
        name: 'change',
        access: 'public',
        limit: { exempt: 'a test' },
        body: { schema: z.strictObject({}) },
        handler: (ctx) => {
          changes += 1
          ctx.body = 'changed'
        },
      }),
      api({
        method: 'DELETE',
        path: '/thing',
        name: 'thing',
        access: 'public',
        handler: (ctx) => {
          changes += 1
          ctx.status = 204
        },
      }),
    ],
  })
beforeAll(async () => {
  server = await startServer(issuer)
})
afterAll(() => server.close())
beforeEach(() => {
  changes = 0
})

/** Opens the form as a browser does. Returns its cookie and its token. */
async function openForm(cookie = ''): Promise<{ setCookie: string; cookie: string; token: string }> {
  const answer = await fetch(`${server.origin}/form`, { headers: { Cookie: cookie } })
  const setCookie = answer.headers.getSetCookie()[0] ?? ''
  const token = /name="csrf" value="([^"]+)"/.exec(await answer.text())?.[1] ?? ''
  return { setCookie, cookie: setCookie.split(';')[0] || cookie, token }
}

type Sent = { cookie?: string; token?: string; headers?: Record<string, string> }
const send = ({ cookie = '', token, headers = {} }: Sent) =>
  fetch(`${server.origin}/change`, {
    method: 'POST',
    headers: { Cookie: cookie, Accept: 'text/html', ...headers },
    body: new URLSearchParams(token === undefined ? {} : { csrf: token }),
  })

test('a form with the token of this browser is accepted', async () => {
  const { cookie, token } = await openForm()
  const answer = await send({ cookie, token, headers: { Origin: issuer, 'Sec-Fetch-Site': 'same-origin' } })
  expect([answer.status, changes]).toEqual([200, 1])
})

test('the cookie is HttpOnly, Secure and has the prefix __Host-, and is set once', async () => {
  const { setCookie, cookie } = await openForm()
  expect(setCookie).toMatch(/^__Host-latchkey\.browser=[\w-]{43}; path=\/; samesite=lax; secure; httponly$/i)
  expect((await openForm(cookie)).setCookie).toBe('')
})

test('each page has its own token, and all tokens of the browser are accepted', async () => {
  const first = await openForm()
  const second = await openForm(first.cookie)
  expect(second.token).not.toBe(first.token)
  expect((await send(first)).status).toBe(200)
  expect((await send({ cookie: first.cookie, token: second.token })).status).toBe(200)
})

test('a page without a form sets no cookie', async () => {
  expect((await fetch(`${server.origin}/plain`)).headers.getSetCookie()).toEqual([])
  expect(
    (await fetch(`${server.origin}/nothing`, { headers: { Accept: 'text/html' } })).headers.getSetCookie(),
  ).toEqual([])
})

const attacks: [what: string, attack: () => Promise<Sent>][] = [
  ['no token', async () => ({ cookie: (await openForm()).cookie })],
  ['no cookie', async () => ({ token: (await openForm()).token })],
  [
    'the token of another browser',
    async () => ({ cookie: (await openForm()).cookie, token: (await openForm()).token }),
  ],
  ['an empty token', async () => ({ cookie: (await openForm()).cookie, token: '' })],
  ['a token without its proof', async () => ({ cookie: (await openForm()).cookie, token: `${'x'.repeat(22)}.` })],
  [
    'a token under another nonce',
    async () => {
      const { cookie, token } = await openForm()
      return { cookie, token: `x${token.slice(1)}` === token ? `y${token.slice(1)}` : `x${token.slice(1)}` }
    },
  ],
  [
    'the cookie under its name without the prefix',
    async () => {
      const { cookie, token } = await openForm()
      return { cookie: cookie.replace('__Host-', ''), token }
    },
  ],
  ['a foreign origin', async () => ({ ...(await openForm()), headers: { Origin: 'https://evil.example' } })],
  ['an empty origin', async () => ({ ...(await openForm()), headers: { Origin: '' } })],
  ['the origin null', async () => ({ ...(await openForm()), headers: { Origin: 'null' } })],
  [
    'our host under another scheme',
    async () => ({ ...(await openForm()), headers: { Origin: 'http://login.example.com' } }),
  ],
  [
    'a host that ends like ours',
    async () => ({ ...(await openForm()), headers: { Origin: 'https://evil-login.example.com' } }),
  ],
  [
    'another site',
    async () => ({ ...(await openForm()), headers: { Origin: issuer, 'Sec-Fetch-Site': 'cross-site' } }),
  ],
  ['a neighbour on our site', async () => ({ ...(await openForm()), headers: { 'Sec-Fetch-Site': 'same-site' } })],
]

test.each(attacks)('a form with %s is refused with 403 and changes nothing', async (_what, attack) => {
  const answer = await send(await attack())
  expect([answer.status, changes]).toEqual([403, 0])
  expect(await answer.text()).toContain('<code>csrf_failed</code>')
})

test('a form with two tokens is refused with 400', async () => {
  const { cookie, token } = await openForm()
  const body = `csrf=${token}&csrf=${token}`
  const headers = { Cookie: cookie, 'Content-Type': 'application/x-www-form-urlencoded' }
  expect((await fetch(`${server.origin}/change`, { method: 'POST', headers, body })).status).toBe(400)
  expect(changes).toBe(0)
})

test('a request of a script is accepted only with the token in a header, and from this origin', async () => {
  const { cookie, token } = await openForm()
  const remove = (headers: Record<string, string>) =>
    fetch(`${server.origin}/thing`, { method: 'DELETE', headers: { Cookie: cookie, ...headers } })
  expect((await remove({})).status).toBe(403)
  expect((await remove({ 'X-CSRF-Token': token, Origin: 'https://evil.example' })).status).toBe(403)
  expect(changes).toBe(0)
  expect((await remove({ 'X-CSRF-Token': token })).status).toBe(204)
})

test('in development, over http, the cookie has no prefix', async () => {
  const development = await startServer('http://localhost:3000')
  try {
    const [cookie] = (await fetch(`${development.origin}/form`)).headers.getSetCookie()
    expect(cookie).toMatch(/^latchkey\.browser=[\w-]{43}; path=\/; samesite=lax; httponly$/i)
  } finally {
    await development.close()
  }
})
