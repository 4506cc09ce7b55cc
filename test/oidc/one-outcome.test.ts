/** One interaction has one outcome: simultaneous answers, a double click, and a repeated resume. */
import { rowId } from '../../adapters/digest.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { describeWith } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { startRedis } from '../support/redis.ts'
import { sessionCookie } from './support.ts'

const many = 20

function suite(open: () => Promise<{ server: Latchkey; close: () => Promise<unknown> }>) {
  let server: Latchkey
  let close: () => Promise<unknown>
  beforeAll(async () => {
    const opened = await open()
    server = opened.server
    close = opened.close
  })
  afterAll(() => close?.())

  /** A browser in which alice has signed in, at the consent page. */
  async function atConsent() {
    const rp = createRelyingParty(server)
    const { browser } = rp
    const login = await browser.follow(await browser.get(await rp.authorizeUrl({ prompt: 'consent' })))
    const signedIn = await browser.submit(login, '/login', {
      email: 'alice@example.com',
      password: 'wonderland tea party',
    })
    return { ...rp, page: await browser.follow(signedIn) }
  }

  const answerOf = (url: string | undefined) => new URL(url ?? 'about:blank').searchParams

  test(`${many} concurrent answers with their resumes give one code`, async () => {
    const { browser, page, exchange } = await atConsent()
    const answers = await Promise.all(
      Array.from({ length: many }, async () => {
        const answered = await browser.submit(page, '/consent')
        return answered.next?.startsWith(server.issuer) ? browser.get(answered.next) : answered
      }),
    )
    const codes = new Set(answers.flatMap(({ next }) => answerOf(next).getAll('code')))
    expect(codes.size).toBe(1)
    expect((await exchange([...codes][0]!)).status).toBe(200)
  })

  test('concurrent Allow and Cancel give a code or an error, never both', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { browser, page } = await atConsent()
      const answers = await Promise.all(
        ['/consent', '/cancel', '/consent', '/cancel'].map(async (action) => {
          const answered = await browser.submit(page, action)
          return answered.next?.startsWith(server.issuer) ? browser.get(answered.next) : answered
        }),
      )
      const results = answers.map(({ next }) => answerOf(next))
      const codes = new Set(results.flatMap((result) => result.getAll('code')))
      const errors = new Set(results.flatMap((result) => result.getAll('error')))
      expect([...codes, ...errors]).toHaveLength(1)
    }
  })

  test('a second answer is refused with 409 and stores no consent', async () => {
    const { knex } = server.database
    await knex('consent').delete()
    const { browser, page } = await atConsent()
    await browser.submit(page, '/cancel')
    const late = await browser.submit(page, '/consent')
    expect(late.status).toBe(409)
    expect(late.body).toContain('interaction_answered')
    expect(await knex('consent')).toEqual([])
  })

  test('answers at once are one consent, or one refusal, in the audit trail', async () => {
    const { knex } = server.database
    for (const [action, event] of [
      ['/consent', 'consent.granted'],
      ['/cancel', 'consent.refused'],
    ] as const) {
      await knex('consent').delete()
      const recorded = () => knex('audit_event').where({ action: event }).pluck('id')
      const before = (await recorded()).length
      const { browser, page } = await atConsent()
      const answers = await Promise.all([1, 2, 3].map(() => browser.submit(page, action)))
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
      expect(await recorded()).toHaveLength(before + 1)
    }
  })

  test('an answer that could not be saved is not decided, and can be given again', async () => {
    const { knex } = server.database
    await knex('consent').delete()
    const { audit } = server.parts
    const { record } = audit
    const { browser, page } = await atConsent()
    for (const action of ['/cancel', '/consent']) {
      audit.record = async () => {
        throw new Error('the trail cannot be written')
      }
      expect((await browser.submit(page, action)).status).toBe(500)
      audit.record = record
    }
    expect((await browser.submit(page, '/consent')).status).toBe(200)
    expect(await knex('consent')).toHaveLength(1)
  })

  test('a double click gets the response of the first click, for thirty seconds', async () => {
    const { browser, page } = await atConsent()
    const first = await browser.submit(page, '/consent')
    server.clock.advance(30_000)
    const second = await browser.submit(page, '/consent')
    expect(second).toMatchObject({ status: 200, next: first.next })
    server.clock.advance(1)
    expect((await browser.submit(page, '/consent')).status).toBe(409)
  })

  test('a double click that arrives after the resume leads to the same code', async () => {
    const { browser, page } = await atConsent()
    // Two clicks: the browser sends the second with the cookies of the first, before it reads the
    // response.
    const cookies = await browser.jar.getCookieString(page.url)
    const first = await browser.submit(page, '/consent')
    const resumeCookies = await browser.jar.getCookieString(first.next!)
    const code = answerOf((await browser.get(first.next!)).next).get('code')
    const form = { csrf: /name="csrf" value="([^"]*)"/.exec(page.body)![1]! }
    const second = await createBrowser().post(`${page.url}/consent`, form, { Cookie: cookies })
    expect(second.next).toBe(first.next)
    const repeated = await createBrowser().get(second.next!, { Cookie: resumeCookies })
    expect(answerOf(repeated.next).get('code')).toBe(code)
  })

  test('a resume that ends with an error is repeated too', async () => {
    const rp = createRelyingParty(server)
    const { browser } = rp
    const login = await browser.follow(await browser.get(await rp.authorizeUrl()))
    const { next = '' } = await browser.submit(login, '/cancel')
    const cookies = await browser.jar.getCookieString(next)
    for (const again of [browser, createBrowser()]) {
      const answer = await again.get(next, { Cookie: cookies })
      expect(answerOf(answer.next).get('error')).toBe('access_denied')
    }
    server.clock.advance(30_001)
    expect((await createBrowser().get(next, { Cookie: cookies })).status).toBe(400)
  })

  test('a repeated resume gives the same code and session, for thirty seconds', async () => {
    const rp = await atConsent()
    const { browser, page, exchange } = rp
    const { next = '' } = await browser.submit(page, '/consent')
    const cookies = await browser.jar.getCookieString(next)
    const code = answerOf((await browser.get(next)).next).get('code')
    const again = createBrowser()
    server.clock.advance(30_000)
    const repeated = await again.get(next, { Cookie: cookies })
    expect(answerOf(repeated.next).get('code')).toBe(code)
    expect(await sessionCookie({ browser: again }, server)).toBe(await sessionCookie(rp, server))
    server.clock.advance(1)
    const late = await createBrowser().get(next, { Cookie: cookies })
    expect(late.status).toBe(400)
    expect(late.next).toBeUndefined()
    expect((await exchange(code!)).status).toBe(200)
  })

  test('a tab that is resumed while another one renames the session continues with the new cookie', async () => {
    const rp = await atConsent()
    const { browser, page } = rp
    const other = await browser.follow(await browser.get(await rp.authorizeUrl({ prompt: 'consent' })))
    const [first, second] = [await browser.submit(page, '/consent'), await browser.submit(other, '/consent')]
    // Both requests are sent with the session's old cookie. The first one renames the session.
    const cookies = await browser.jar.getCookieString(second.next!)
    await browser.get(first.next!)
    const late = await createBrowser().get(second.next!, { Cookie: cookies })
    expect(late).toMatchObject({ status: 200, next: `${second.next}?again=1` })
    expect(late.headers.getSetCookie().filter((cookie) => cookie.startsWith('latchkey.session'))).toEqual([])
    // With the old cookie, which an attacker may have, the attempts are limited.
    const last = late.next!.replace('again=1', 'again=8')
    expect((await createBrowser().get(last, { Cookie: cookies })).status).toBe(400)
    expect(answerOf((await browser.get(late.next!)).next).get('code')).toEqual(expect.any(String))
  })

  test('a tab whose session was replaced by another sign-in in this browser starts again, and finishes', async () => {
    const rp = await atConsent()
    const other = createRelyingParty(server)
    await other.signIn()
    for (const cookie of await other.browser.jar.getCookies(server.issuer)) {
      if (cookie.key.startsWith('latchkey.session')) await rp.browser.jar.setCookie(cookie.toString(), server.issuer)
    }
    const answered = await rp.browser.submit(rp.page, '/consent')
    const again = await rp.browser.get(answered.next!)
    expect(again).toMatchObject({ status: 303, next: expect.stringContaining('/authorize?') })
    expect(await rp.complete(await rp.browser.follow(again))).toHaveProperty('code')
    expect((await rp.browser.get(answered.next!)).status).toBe(400)
  })

  test('an answer in one tab is accepted while another tab renames the session', async () => {
    const rp = await atConsent()
    const { browser, page } = rp
    const other = await browser.follow(await browser.get(await rp.authorizeUrl({ prompt: 'consent' })))
    const first = await browser.submit(page, '/consent')
    const id = rowId('Session', (await sessionCookie(rp, server))!)
    await server.database.transaction(async (tx) => {
      // The session's row is locked. An answer without a sign-in does not wait for the lock.
      const [row] = await tx('artifact').where({ id }).delete().returning('*')
      await tx('artifact').insert({ ...row, id: Buffer.alloc(32, 7) })
      expect((await browser.submit(other, '/consent')).next).toContain('/authorize/')
    })
    await server.database
      .knex('artifact')
      .where({ id: Buffer.alloc(32, 7) })
      .update({ id })
    expect(answerOf((await browser.get(first.next!)).next).get('code')).toEqual(expect.any(String))
  })

  test('a repeated resume does not restore a session cookie that another tab has replaced', async () => {
    const rp = await atConsent()
    const { browser, page } = rp
    const other = await browser.follow(await browser.get(await rp.authorizeUrl({ prompt: 'consent' })))
    const [first, second] = [await browser.submit(page, '/consent'), await browser.submit(other, '/consent')]
    const cookies = await browser.jar.getCookieString(first.next!)
    const code = answerOf((await browser.get(first.next!)).next).get('code')
    await browser.get(second.next!)
    const repeated = await browser.get(first.next!, { Cookie: cookies })
    expect(answerOf(repeated.next).get('code')).toBe(code)
    expect((await browser.get(`${server.issuer}/account`)).status).toBe(200)
  })

  test('two concurrent resumes in a signed-in browser both give the same code', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { browser, page } = await atConsent()
      const { next = '' } = await browser.submit(page, '/consent')
      const cookies = await browser.jar.getCookieString(next)
      const answers = await Promise.all([1, 2].map(() => createBrowser().get(next, { Cookie: cookies })))
      const codes = answers.map((answer) => answerOf(answer.next).get('code'))
      expect(codes[0]).toEqual(expect.any(String))
      expect(codes[1]).toBe(codes[0])
    }
  })

  test('a logout with the cookie of a session that another tab has renamed shows the confirmation page again', async () => {
    const rp = await atConsent()
    const { browser, page } = rp
    await browser.follow(await browser.submit(page, '/consent'))
    const logout = await browser.get(`${server.issuer}/logout`)
    const before = await browser.jar.getCookieString(server.issuer)
    const again = await browser.follow(await browser.get(await rp.authorizeUrl({ prompt: 'consent' })))
    await browser.follow(await browser.submit(again, '/consent'))
    const xsrf = /name="xsrf" value="([^"]*)"/.exec(logout.body)![1]!
    const late = await createBrowser().post(
      `${server.issuer}/logout/confirm`,
      { xsrf, logout: 'yes' },
      { Cookie: before },
    )
    expect(late).toMatchObject({ status: 200, next: `${server.issuer}/logout` })
    expect((await browser.get(late.next!)).body).toContain('action="')
  })

  test('another browser does not get the repeated response', async () => {
    const { browser, page } = await atConsent()
    const { next = '' } = await browser.submit(page, '/consent')
    await browser.get(next)
    const stranger = await createBrowser().get(next)
    expect(stranger).toMatchObject({ status: 400, next: undefined })
  })
}

describe('on Postgres', () =>
  suite(async () => {
    const server = await startLatchkey()
    return { server, close: () => server.stop() }
  }))

describeWith('redis-server', 'with interactions in Redis', () =>
  suite(async () => {
    const redis: RedisServer = await startRedis()
    const server = await startLatchkey({ env: { REDIS_URL: redis.url } })
    return { server, close: () => server.stop().then(redis.close) }
  }),
)
