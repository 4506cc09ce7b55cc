/**
 * Limits of browsers, from outside: login, registration, recovery, links, the buttons of an
 * interaction, authorization.
 */
import type { Browser, Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, testPassword } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { allEmailsSent } from '../support/outbox.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const minute = 60_000
const hour = 60 * minute

let mailbox: Mailbox
let server: Latchkey
beforeAll(async () => {
  mailbox = await startMailbox()
  server = await startLatchkey({
    hasDefaultLimits: true,
    // Each test uses a network of its own.
    env: { SMTP_URL: mailbox.url, TRUST_PROXY: '127.0.0.0/8,::1' },
  })
  await server.parts.settings.set('registration', 'open', operator)
})
afterAll(async () => {
  await server?.stop()
  await mailbox?.close()
})
// Each test leaves full limits for the next one.
afterEach(() => server.clock.advance(3 * hour))

const at = (path: string) => new URL(path, server.issuer).href

/** A browser whose requests come from `ip`. */
function from(ip: string): Browser {
  const browser = createBrowser()
  const request: Browser['request'] = (url, init = {}) => {
    const headers = new Headers(init.headers)
    if (!headers.has('X-Forwarded-For')) headers.set('X-Forwarded-For', ip)
    return browser.request(url, { ...init, headers })
  }
  const submit: Browser['submit'] = async (page, suffix, fields = {}) => {
    const form = new RegExp(`<form[^>]*action="([^"]*${suffix})"`).exec(page.body)
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)?.[1]
    if (!form || !csrf) throw new Error(`no form ${suffix} on ${page.status}:\n${page.body}`)
    return request(new URL(form[1]!, page.url).href, {
      method: 'POST',
      body: new URLSearchParams({ csrf, ...fields }),
      headers: { Origin: server.issuer, 'Sec-Fetch-Site': 'same-origin' },
    })
  }
  const get: Browser['get'] = (url, headers = {}) => request(url, { headers })
  const follow: Browser['follow'] = async (start) => {
    let page = start
    while (page.next?.startsWith(server.issuer)) page = await get(page.next)
    return page
  }
  return { ...browser, request, submit, get, follow }
}

const numbers = ({ headers }: Pick<Page, 'headers'>) =>
  ['Limit', 'Remaining', 'Reset'].map((name) => Number(headers.get(`X-RateLimit-${name}`) ?? Number.NaN))

const isRefusal = (page: Page, retryAfter: number) => {
  expect(page.status).toBe(429)
  expect(page.headers.get('Retry-After')).toBe(String(retryAfter))
  expect(page.headers.get('Content-Type')).toMatch(/^text\/html/)
  expect(page.body).toContain('too_many_requests')
  expect(page.body).toContain(`in ${Math.ceil(retryAfter / 60)} min`)
}

async function loginPage(browser: Browser): Promise<Page> {
  return browser.follow(await browser.get(await createRelyingParty(server).authorizeUrl()))
}

test('a twenty-first sign-in attempt within a minute is refused, in every spelling of the email', async () => {
  // A minute starts here, so that the counter's two windows are where the test expects them.
  server.clock.set(Math.ceil(server.clock.now() / minute) * minute)
  const browser = from('192.0.2.1')
  const page = await loginPage(browser)
  const spellings = ['alice@example.com', ' ALICE@example.com', 'Alice@Example.COM ']
  for (let index = 0; index < 20; index += 1) {
    const answer = await browser.submit(page, '/login', { email: spellings[index % 3]!, password: 'not this one' })
    // From the eleventh try on the address is locked as well (login-throttle.test.ts).
    expect([answer.status, ...numbers(answer).slice(0, 2)]).toEqual([index < 10 ? 400 : 429, 20, 19 - index])
    expect(answer.body).not.toContain('too_many_requests')
  }
  isRefusal(await browser.submit(page, '/login', { email: 'alice@example.com', password: testPassword }), 63)
  // Tries from another network at the same account are counted together with these; at another
  // account they are not.
  const other = from('192.0.2.2')
  const otherPage = await loginPage(other)
  expect((await other.submit(otherPage, '/login', { email: 'alice@example.com', password: 'x' })).status).toBe(429)
  expect((await other.submit(otherPage, '/login', { email: 'nobody@example.com', password: 'x' })).status).toBe(400)
  // After the lock, and after the CAPTCHA that these failures have caused for this network.
  server.clock.advance(16 * minute)
  expect((await browser.submit(page, '/login', { email: 'alice@example.com', password: testPassword })).status).toBe(
    200,
  )
})

test('a known browser of the account has its own limit, a known browser of another account does not', async () => {
  server.clock.set(Math.ceil(server.clock.now() / minute) * minute)
  const email = 'attacked@example.com'
  const signedIn: Browser[] = []
  for (const name of ['attacked', 'helper-1', 'helper-2']) {
    const account = { email: `${name}@example.com`, isEmailVerified: true, password: 'lanterns over the quiet river' }
    await server.parts.accounts.create(account, operator)
    const browser = from(name === 'attacked' ? '198.51.100.20' : '192.0.2.20')
    await browser.follow(
      await browser.submit(await loginPage(browser), '/login', { email: account.email, password: account.password }),
    )
    signedIn.push(browser)
  }
  const [owner, ...helpers] = signedIn as [Browser, ...Browser[]]
  server.clock.advance(2 * minute)
  const login = async (browser: Browser) =>
    browser.follow(await browser.get(await createRelyingParty(server).authorizeUrl({ prompt: 'login' })))
  const pages = await Promise.all(
    [from('192.0.2.20'), ...helpers].map(async (browser) => [browser, await login(browser)]),
  )
  const answers: Page[] = []
  for (let index = 0; index < 24; index += 1) {
    const [browser, page] = pages[index % 3] as [Browser, Page]
    answers.push(await browser.submit(page, '/login', { email, password: 'not this one' }))
  }
  expect(answers.filter(({ body }) => !body.includes('too_many_requests'))).toHaveLength(20)
  const own = await owner.submit(await login(owner), '/login', { email, password: 'lanterns over the quiet river' })
  expect([own.status, ...numbers(own).slice(0, 2)]).toEqual([200, 20, 19])
})

test('a hundred concurrent attempts for an unknown account count as a hundred', async () => {
  const browser = from('192.0.2.3')
  const page = await loginPage(browser)
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => browser.submit(page, '/login', { email: 'no.such@example.com', password: 'x' })),
  )
  expect(answers.filter(({ body }) => !body.includes('too_many_requests'))).toHaveLength(20)
})

test('a network has ten times the limit of one user: an IPv4 address, or a /64 of IPv6', async () => {
  const browser = from('2001:db8:1:1::5')
  const page = await loginPage(browser)
  const neighbour = from('2001:db8:1:1:ffff::9')
  const stranger = from('2001:db8:1:2::5')
  const open = (who: Browser) => who.get(at('/verify?token=another'))
  const links: Page[] = []
  for (let batch = 0; batch < 41; batch += 1) {
    const tokens = Array.from({ length: 5 }, (_, index) => `${'x'.repeat(20)}${batch * 5 + index}`)
    links.push(...(await Promise.all(tokens.map((token) => browser.get(at(`/verify?token=${token}`))))))
  }
  expect(links.filter(({ status }) => status === 429)).toHaveLength(5)
  expect(numbers(links.at(-1)!)[0]).toBe(200)
  expect((await open(neighbour)).status).toBe(429)
  expect((await open(stranger)).status).toBe(400)
  expect((await browser.submit(page, '/login', { email: 'alice@example.com', password: testPassword })).status).toBe(
    200,
  )
})

test('a fourth recovery within an hour is refused in the same way with and without an account, and sends no email', async () => {
  const answers: Record<string, unknown[]> = {}
  for (const email of ['alice@example.com', 'stranger@example.com']) {
    const browser = from('192.0.2.5')
    const page = await browser.get(at('/recover'))
    const shown: unknown[] = []
    for (let index = 0; index < 5; index += 1) {
      const answer = await browser.submit(page, '/recover', { email })
      const body = answer.body.replaceAll(email, 'THE ADDRESS').replace(/<code>[\w-]{20,}<\/code>/, 'THE REQUEST')
      shown.push([answer.status, numbers(answer), answer.headers.get('Retry-After'), body])
    }
    answers[email] = shown
  }
  expect(answers['alice@example.com']).toEqual(answers['stranger@example.com'])
  expect(answers['alice@example.com']?.map((answer) => (answer as unknown[])[0])).toEqual([200, 200, 200, 429, 429])
  const { rows } = await server.database.knex.raw(`SELECT count(*) AS n FROM rate_limit WHERE cardinality(hits) = 3`)
  expect(rows).toEqual([{ n: 2 }])
  await allEmailsSent(server.database.knex)
  expect(mailbox.listOf('alice@example.com', 'recovery').length).toBeLessThanOrEqual(3)
  server.clock.advance(hour)
  const browser = from('192.0.2.5')
  const again = await browser.submit(await browser.get(at('/recover')), '/recover', { email: 'alice@example.com' })
  expect([again.status, ...numbers(again)]).toEqual([200, 3, 2, 3600])
})

test('a sixth registration of an address within an hour is refused; forms with errors do not count', async () => {
  const browser = from('192.0.2.6')
  const page = await browser.get(at('/register'))
  const register = (password: string) =>
    browser.submit(page, '/register', { email: 'new@example.com', name: 'New', password })
  for (let index = 0; index < 7; index += 1) expect((await register('short')).status).toBe(400)
  for (let index = 0; index < 5; index += 1) expect((await register('lanterns over the quiet river')).status).toBe(200)
  isRefusal(await register('lanterns over the quiet river'), 3600)
})

test('a sixty-first form of one interaction within a minute is refused', async () => {
  const browser = from('192.0.2.7')
  const page = await loginPage(browser)
  const statuses: number[] = []
  for (let index = 0; index < 61; index += 1) statuses.push((await browser.submit(page, '/cancel')).status)
  expect(statuses.at(-1)).toBe(429)
  expect(statuses.slice(0, 60)).not.toContain(429)
})

test('a sixty-first authorization of one user within a minute is a page, not a redirect, and gives no code', async () => {
  const browser = from('192.0.2.8')
  const page = await loginPage(browser)
  let next = await browser.follow(
    await browser.submit(page, '/login', { email: 'alice@example.com', password: testPassword }),
  )
  if (next.body.includes('/consent"')) next = await browser.follow(await browser.submit(next, '/consent'))
  const url = await createRelyingParty(server).authorizeUrl()
  const answers: Page[] = []
  // The browser has already returned once, to fetch the code.
  for (let index = 0; index < 62; index += 1) answers.push(await browser.get(url))
  const codes = await server.database.knex('artifact').where({ model: 3 }).count('* as n').first()
  expect(answers.filter(({ next: goesTo }) => goesTo?.includes('code='))).toHaveLength(60)
  expect(codes).toEqual({ n: 61 })
  expect(answers.slice(0, 60).map((answer) => numbers(answer)[0])).toEqual(Array(60).fill(60))
  isRefusal(answers.at(-1)!, 1)
  expect(answers.at(-1)!.next).toBeUndefined()
  server.clock.advance(1_000)
  expect((await browser.get(url)).next).toContain('code=')
})

test('a sixty-first form of one user within a minute is refused, from whichever networks they come', async () => {
  server.clock.set(Math.ceil(server.clock.now() / minute) * minute)
  const first = from('192.0.2.9')
  const page = await loginPage(first)
  await first.follow(await first.submit(page, '/login', { email: 'alice@example.com', password: testPassword }))
  const account = await first.follow(await first.get(at('/account/email')))
  const csrf = /name="csrf" value="([^"]+)"/.exec(account.body)![1]!
  const send = (index: number) =>
    first.request(at('/account/factors/forget-browsers'), {
      method: 'POST',
      body: new URLSearchParams({ csrf }),
      headers: { Origin: server.issuer, 'Sec-Fetch-Site': 'same-origin', 'X-Forwarded-For': `192.0.2.${index % 5}` },
    })
  for (let index = 0; index < 60; index += 1) expect((await send(index)).status).toBe(303)
  isRefusal(await send(60), 61)
})
