/** Guessing passwords at the login page. */

import { solveChallenge } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import { createCaptcha } from '../../src/captcha/service.ts'
import type { Queryable } from '../../src/database/database.ts'
import { AppError } from '../../src/errors.ts'
import { prefixesOf } from '../../src/http/ip.ts'
import { createLoginThrottle } from '../../src/limits/login-throttle.ts'
import { systemRandom } from '../../src/random.ts'
import { testOrigin } from '../audit/origins.ts'
import { minutes } from '../oidc/support.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import type { Mailbox } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { codesOn } from '../support/sentences.ts'
import { attempt, challengeIn, hashes, loginPage, solve } from './setup.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const right = 'the lantern of somebody is lit'

let server: Latchkey
let mailbox: Mailbox
beforeAll(async () => {
  mailbox = await startMailbox()
  server = await startLatchkey({ env: { SMTP_URL: mailbox.url } })
})
afterAll(async () => {
  await server?.stop()
  await mailbox?.close()
})
// Every test starts without the failures that earlier ones counted against their common address.
beforeEach(() => server.clock.advance(minutes(61)))

async function person(name: string): Promise<string> {
  const email = `${name}@guessed.example`
  await server.parts.accounts.create({ email, isEmailVerified: true, password: right }, operator)
  return email
}

const wrong = (email: string) => attempt(server, email, 'not the password')

/** Five wrong tries, and five more with a solved CAPTCHA. */
async function untilLocked(email: string): Promise<void> {
  for (let tries = 0; tries < 5; tries += 1) expect((await wrong(email)).status).toBe(400)
  for (let tries = 0; tries < 5; tries += 1) {
    const { browser, page } = await loginPage(server)
    const asked = await browser.submit(page, '/login', { email, password: 'x' })
    expect([asked.status, challengeIn(asked) !== undefined]).toEqual([400, true])
  }
}

describe.each(['existing', 'unknown'] as const)('an identifier that is %s', (kind) => {
  test('needs a CAPTCHA from the sixth attempt and gets 429 from the eleventh, also with the right password and without a hash', async () => {
    const email = kind === 'existing' ? await person('ladder') : 'nobody-at-all@guessed.example'
    let before = await hashes(server)
    for (let tries = 1; tries <= 5; tries += 1) {
      const page = await wrong(email)
      expect(page.status).toBe(400)
      expect(codesOn(page)).toEqual(['wrong_credentials'])
      // The page of the fifth failure already contains the CAPTCHA for the sixth try.
      expect(challengeIn(page) !== undefined).toBe(tries === 5)
    }
    expect((await hashes(server)) - before).toBe(5)
    before = await hashes(server)
    for (let tries = 6; tries <= 10; tries += 1) {
      const page = await attempt(server, email, right)
      expect(page.status).toBe(400)
      expect(codesOn(page)).toEqual(['captcha_needed'])
    }
    for (let tries = 11; tries <= 13; tries += 1) {
      const page = await attempt(server, email, right)
      expect(page.status).toBe(429)
      expect(Number(page.headers.get('Retry-After'))).toBe(15 * 60)
      expect(codesOn(page)).toEqual(['sign_in_locked'])
      // A page of its own: it asks for no password, and offers the remaining ways to sign in.
      expect(page.body).not.toContain('name="password"')
      expect(page.body).toContain('/recover"')
    }
    expect(await hashes(server)).toBe(before)
  })
})

test('a solved CAPTCHA permits one attempt in its own login within two minutes', async () => {
  const email = await person('solver')
  for (let tries = 0; tries < 5; tries += 1) await wrong(email)
  const { browser, page } = await loginPage(server)
  const asked = await browser.submit(page, '/login', { email, password: right })
  const captcha = await solve(challengeIn(asked)!)
  const tampered = JSON.parse(Buffer.from(captcha, 'base64').toString())
  tampered.solution.counter += 1
  tampered.solution.derivedKey = '00'.repeat(32)
  const other = await loginPage(server)
  for (const [login, solution] of [
    [other, captcha],
    [{ browser, page }, Buffer.from(JSON.stringify(tampered)).toString('base64')],
    [{ browser, page }, 'e30='],
  ] as const) {
    const refused = await login.browser.submit(login.page, '/login', { email, password: right, captcha: solution })
    expect(codesOn(refused)).toEqual(['captcha_needed'])
  }
  const guess = { email, password: 'not the password', captcha }
  expect(codesOn(await browser.submit(page, '/login', guess))).toEqual(['wrong_credentials'])
  expect((await browser.submit(page, '/login', { ...guess, password: right })).status).toBe(429)
})

test('an expired challenge is refused, and of concurrent uses of one challenge one succeeds', async () => {
  const { captcha } = server.parts
  const solutionOf = async (binding: string) => {
    const challenge = await captcha.create(binding)
    const solution = await solveChallenge({ challenge, deriveKey })
    return Buffer.from(JSON.stringify({ challenge, solution })).toString('base64')
  }
  const old = await solutionOf('login')
  server.clock.advance(minutes(2))
  expect(await captcha.spend(old, 'login')).toBe(false)
  const fresh = await solutionOf('login')
  expect(await captcha.spend(fresh, 'another')).toBe(false)
  const spent = await Promise.all(Array.from({ length: 20 }, () => captcha.spend(fresh, 'login')))
  expect(spent.filter((isSpent) => isSpent)).toHaveLength(1)
})

test('a solution is refused with the database’s error while the database is unavailable', async () => {
  const away = new Error('the database is away')
  const db = (() => {
    throw away
    // Every query fails, so the stub needs nothing else of Knex.
  }) as unknown as Queryable
  const { create, spend } = createCaptcha({
    db,
    signatureKey: Buffer.alloc(32, 1),
    solutionKey: Buffer.alloc(32, 2),
    clock: server.clock,
    random: systemRandom,
  })
  const solution = await solve(await create('login'))
  await expect(spend(solution, 'login')).rejects.toBe(away)
})

test('fifty attempts at once cost five hashes, and count as fifty', async () => {
  const email = await person('parallel')
  const logins = []
  for (let count = 0; count < 50; count += 1) logins.push(await loginPage(server))
  const before = await hashes(server)
  await Promise.all(logins.map(({ browser, page }) => browser.submit(page, '/login', { email, password: 'no' })))
  expect((await hashes(server)) - before).toBe(5)
  const rows = await server.database.knex('guess_count').orderBy('tries', 'desc').select('tries')
  expect(rows[0]?.tries).toBe(50)
})

test('thirty concurrent right passwords from thirty new browsers are thirty sign-ins, twice in a row', async () => {
  const email = await person('crowd')
  for (let round = 0; round < 2; round += 1) {
    const logins = []
    for (let count = 0; count < 30; count += 1) logins.push(await loginPage(server))
    const answers = await Promise.all(
      logins.map(({ browser, page }) => browser.submit(page, '/login', { email, password: right })),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(200))
  }
})

test('other spellings of an email count for the same identifier', async () => {
  const email = await person('spelled')
  for (const spelling of [email, email.toUpperCase(), ` ${email}`, `${email} `, 'Spelled@guessed.example']) {
    expect((await wrong(spelling)).status).toBe(400)
  }
  expect(codesOn(await attempt(server, email, right))).toEqual(['captcha_needed'])
})

test('the owner can still sign in from a known browser, and gets an email about the lock', async () => {
  const email = await person('owner')
  const known = createBrowser()
  await createRelyingParty(server, known).signIn({}, { email, password: right })
  await untilLocked(email)
  expect((await attempt(server, email, right)).status).toBe(429)
  expect((await attempt(server, email, right, known)).status).toBe(200)
  // That does not clear the failures of other browsers.
  expect((await attempt(server, email, right)).status).toBe(429)
  await mailbox.waitFor(email, 'sign_in_locked')

  // The cookie of another user's browser has no effect here.
  const stranger = createBrowser()
  await createRelyingParty(server, stranger).signIn()
  expect((await attempt(server, email, right, stranger)).status).toBe(429)
  server.clock.advance(minutes(61))
  // Ten wrong tries there, and this browser is locked like any other.
  for (let tries = 0; tries < 10; tries += 1) {
    expect(codesOn(await attempt(server, email, 'no', known))).toEqual(['wrong_credentials'])
  }
  expect((await attempt(server, email, right, known)).status).toBe(429)
})

test('a lock lasts a quarter of an hour, the next one half an hour, and every later one an hour', async () => {
  const email = await person('patient')
  for (const length of [15, 30, 60, 60]) {
    await untilLocked(email)
    const locked = await attempt(server, email, right)
    expect([locked.status, Number(locked.headers.get('Retry-After'))]).toEqual([429, length * 60])
    server.clock.advance(minutes(length) - 1000)
    // More tries do not extend the lock.
    expect((await attempt(server, email, right)).status).toBe(429)
    server.clock.advance(1000)
  }
  expect((await attempt(server, email, right)).status).toBe(200)
})

test('a hundred failures without a success disable the password in unknown browsers, until a new one is chosen', async () => {
  const email = await person('hundred')
  const account = (await server.parts.accounts.findByEmail(email))!
  const known = createBrowser()
  await createRelyingParty(server, known).signIn({}, { email, password: right })
  for (let round = 0; round < 9; round += 1) {
    await untilLocked(email)
    await wrong(email)
    server.clock.advance(minutes(61))
  }
  expect((await wrong(email)).status).toBe(400)
  const off = await attempt(server, email, right)
  expect(off.status).toBe(403)
  expect(codesOn(off)).toEqual(['password_off'])
  expect((await attempt(server, email, right, known)).status).toBe(200)
  server.clock.advance(30 * 86_400_000)
  expect((await attempt(server, email, right)).status).toBe(403)

  await server.parts.accounts.unlock(account.id, operator)
  expect((await attempt(server, email, right)).status).toBe(200)
})

test('a new password by the emailed link lifts the lock', async () => {
  const email = await person('recovers')
  await untilLocked(email)
  expect((await wrong(email)).status).toBe(429)
  const { browser } = await loginPage(server)
  await browser.submit(await browser.get(`${server.issuer}/recover`), '/recover', { email })
  const { link } = await mailbox.waitFor(email, 'recovery')
  await browser.submit(await browser.get(link!), '/recover/password', { password: 'chosen after the lock' })
  expect((await attempt(server, email, 'chosen after the lock')).status).toBe(200)
})

test('a network needs a CAPTCHA after twenty failures in a quarter of an hour, and gets 429 after a hundred in an hour', async () => {
  const email = await person('neighbour')
  /**
   * With the CAPTCHA solved where it is asked for. A try whose password was not compared does not
   * count.
   */
  const spray = async (index: number) => {
    const guess = { email: `sprayed-${index}@guessed.example`, password: 'not the password' }
    // A forged address makes no other network.
    const forged = { 'X-Forwarded-For': `203.0.113.${index}`, Forwarded: `for=203.0.113.${index}` }
    const { browser, page } = await loginPage(server)
    const asked = await browser.submit(page, '/login', guess, forged)
    const challenge = codesOn(asked).includes('captcha_needed') ? challengeIn(asked) : undefined
    return challenge
      ? browser.submit(page, '/login', { ...guess, captcha: await solve(challenge, server.drawn) }, forged)
      : asked
  }
  for (let tries = 0; tries < 20; tries += 1) expect(challengeIn(await spray(tries)) !== undefined).toBe(tries === 19)
  expect(codesOn(await attempt(server, email, right))).toEqual(['captcha_needed'])
  for (let quarter = 1; quarter < 4; quarter += 1) {
    server.clock.advance(minutes(15))
    for (let tries = 0; tries < 20; tries += 1) await spray(20 * quarter + tries)
  }
  for (let tries = 80; tries < 100; tries += 1) await spray(tries)
  const refused = await attempt(server, email, right)
  expect(refused.status).toBe(429)
  expect(codesOn(refused)).toEqual(['too_many_failures'])
  expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(10 * 60)
  server.clock.advance(minutes(61))
  expect((await attempt(server, email, right)).status).toBe(200)
})

/**
 * Tries with `count` accounts at once. None ends before all permitted comparisons are in progress.
 */
async function atOnce(count: number, ip: string, outcome: 'right' | 'wrong', name = 'neighbour') {
  const { loginThrottle } = server.parts
  const { promise: isLetGo, resolve: letGo } = Promise.withResolvers<void>()
  let [compared, refused] = [0, 0]
  const checkAll = () => compared + refused === count && letGo()
  const tries = Array.from({ length: count }, async (_, index) => {
    const guess = { identifier: `${name}-${index}@guessed.example`, ip, interaction: 'login' }
    let isCompared = false
    const work = async () => {
      isCompared = true
      compared += 1
      checkAll()
      await isLetGo
      if (outcome === 'wrong') throw new Error('wrong')
    }
    const tried = loginThrottle.attempt(
      guess,
      work,
      (error) => (error as Error).message === 'wrong',
      async () => {},
    )
    await tried.catch((error: { code?: string }) => {
      if (isCompared) return
      refused += 1
      checkAll()
      throw error
    })
  })
  const settled = await Promise.allSettled(tries)
  return { compared, codes: settled.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : [])) }
}

test('150 concurrent right passwords from one network cause neither a CAPTCHA nor a lock', async () => {
  const { compared, codes } = await atOnce(150, '203.0.113.77', 'right')
  expect(compared).toBe(100)
  expect(codes).toEqual(Array(50).fill('hashing_busy'))
  // None of these tries counts.
  expect(await atOnce(100, '203.0.113.77', 'right')).toEqual({ compared: 100, codes: [] })
})

test('of 150 concurrent wrong passwords from one network a hundred are compared, and then the network is locked', async () => {
  const { compared, codes } = await atOnce(150, '198.51.100.77', 'wrong')
  expect(compared).toBe(100)
  expect(codes).toEqual(Array(50).fill('hashing_busy'))
  expect(await atOnce(1, '198.51.100.77', 'right')).toEqual({ compared: 0, codes: ['too_many_failures'] })
})

test.each([
  ['an IPv4 /24', (index: number) => `203.0.113.${index}`, '203.0.113.200', '203.0.112.200'],
  ['an IPv6 /64', (index: number) => `2001:db8:0:7::${index}`, '2001:db8:0:7:ffff::1', '2001:db8:1:7::1'],
] as const)(
  'failures from twenty IP addresses of %s count together, and for no other network',
  async (_kind, ipOf, same, other) => {
    for (let index = 1; index <= 20; index += 1) {
      expect((await atOnce(1, ipOf(index), 'wrong', `spread-${index}`)).compared).toBe(1)
    }
    expect(await atOnce(1, same, 'right')).toEqual({ compared: 0, codes: ['captcha_needed'] })
    expect(await atOnce(1, other, 'right')).toEqual({ compared: 1, codes: [] })
  },
)

test('attempts that a killed process did not finish block their network for a quarter of an hour', async () => {
  const ip = '192.0.2.77'
  await atOnce(1, ip, 'right')
  await server.database.knex('guess_address').update({ pending: 100 })
  expect(await atOnce(1, ip, 'right')).toEqual({ compared: 0, codes: ['hashing_busy'] })
  server.clock.advance(minutes(15))
  expect(await atOnce(1, ip, 'right')).toEqual({ compared: 1, codes: [] })
})

test('a sign-in from a new browser causes an email, the first sign-in does not', async () => {
  const email = await person('moves-house')
  const first = createBrowser()
  await createRelyingParty(server, first).signIn({}, { email, password: right })
  await createRelyingParty(server, first).signIn({ prompt: 'login' }, { email, password: right })
  await createRelyingParty(server).signIn({}, { email, password: right })
  await mailbox.waitFor(email, 'new_browser')
  const events = await server.parts.audit.listOf((await server.parts.accounts.findByEmail(email))!.id, 50)
  expect(events.filter(({ action }) => action === 'account.new_browser')).toHaveLength(1)
})

test('the password of a signed-in account can be tried ten times, and then not for a quarter of an hour', async () => {
  const email = await person('borrowed')
  const account = (await server.parts.accounts.findByEmail(email))!
  const change = (password: string) =>
    server.parts.accountChanges.changePassword({
      origin: testOrigin,
      accountId: account.id,
      proof: { password },
      newPassword: 'another lantern is lit',
    })
  for (let tries = 0; tries < 10; tries += 1)
    await expect(change('no')).rejects.toMatchObject({ code: 'proof_refused' })
  await expect(change(right)).rejects.toMatchObject({ code: 'proof_locked' })
  server.clock.advance(minutes(15))
  await change(right)
})

test('no identifier and no IP address is stored in plain text', async () => {
  await wrong('very-particular@guessed.example')
  const { rows } = await server.database.knex.raw(
    `SELECT g::text AS row FROM guess_count AS g UNION ALL SELECT a::text FROM guess_address AS a UNION ALL SELECT k::text FROM known_browser AS k`,
  )
  const dump = rows.map(({ row }: { row: string }) => row).join('\n')
  expect(rows.length).toBeGreaterThan(3)
  for (const word of ['particular', '127.0.0', Buffer.from('127.0.0.1').toString('hex')])
    expect(dump).not.toContain(word)
})

test('the stored digests of an identifier and a network depend on the key', async () => {
  const { knex } = server.database
  const kept = async () => {
    const { rows } = await knex.raw<{ rows: { key: string }[] }>(
      "SELECT encode(key, 'hex') AS key FROM guess_count UNION SELECT encode(key, 'hex') FROM guess_address",
    )
    return new Set(rows.map(({ key }) => key))
  }
  /** The rows that a try adds under this key. */
  async function addedBy(fill: number): Promise<string[]> {
    const throttle = createLoginThrottle({
      db: knex,
      key: Buffer.alloc(32, fill),
      normalise: (identifier) => identifier,
      prefixesOf,
      captcha: server.parts.captcha,
      metrics: { count: () => {} },
      busy: () => new AppError('busy', 503),
      clock: server.clock,
    })
    const before = await kept()
    const guess = { identifier: 'keyed@guessed.example', ip: '203.0.113.9', interaction: 'login' }
    const wrongAlways = () => Promise.reject(new Error('wrong'))
    await expect(
      throttle.attempt(
        guess,
        wrongAlways,
        () => true,
        async () => {},
      ),
    ).rejects.toThrow('wrong')
    return [...(await kept())].filter((key) => !before.has(key))
  }
  expect((await addedBy(1)).length).toBe(3)
  expect((await addedBy(2)).length).toBe(3)
  expect(await addedBy(2)).toEqual([])
})
