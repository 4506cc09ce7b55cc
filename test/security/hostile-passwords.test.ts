/**
 * Raw requests: a password that no user can have typed is refused with a page that says so, before
 * any hash is computed.
 */
import argon2 from 'argon2'
import type { AccountSetup } from '../registration/setup.ts'
import { goodPassword, openAccountSetup, operator } from '../registration/setup.ts'
import { createBrowser } from '../support/browser.ts'
import { createRelyingParty } from '../support/latchkey.ts'
import { codesOn } from '../support/sentences.ts'

let setup: AccountSetup
beforeAll(async () => {
  setup = await openAccountSetup({ env: { TRUST_PROXY: '127.0.0.1,::1' } })
})
afterAll(() => setup?.close())

async function hashes(): Promise<number> {
  const text = await setup.server.parts.metrics.metrics()
  return Number(/latchkey_password_hash_seconds_count (\d+)/.exec(text)?.[1] ?? 0)
}

const encode = (fields: Record<string, string>): string => new URLSearchParams(fields).toString()

/** A page with a password, open in a browser. Sends `password` unchanged, already encoded. */
type PasswordForm = (password: string | Buffer) => Promise<{ status: number; body: string; hashed: number }>

let guests = 0

const passwordForms: Record<string, () => Promise<PasswordForm>> = {
  login: async () => {
    const { browser, authorizeUrl } = createRelyingParty(setup.server)
    const page = await browser.follow(await browser.get(await authorizeUrl()))
    // Another account at each try: the limit of tries at one address is another defence.
    guests += 1
    return passwordFormOf(browser, page, `${page.url}/login`, { email: `guest-${guests}@example.com` })
  },
  registration: async () => {
    const browser = createBrowser()
    guests += 1
    const fields = { email: `hostile-${guests}@example.com`, name: 'Somebody New' }
    return passwordFormOf(browser, await browser.get(setup.at('/register')), setup.at('/register'), fields)
  },
  recovery: async () => {
    const browser = createBrowser()
    const page = await browser.get(recoveryLink)
    return passwordFormOf(browser, page, setup.at('/recover/password'), {
      token: new URL(recoveryLink).searchParams.get('token')!,
    })
  },
}

function passwordFormOf(
  browser: ReturnType<typeof createBrowser>,
  page: { body: string },
  url: string,
  fields: Record<string, string>,
): PasswordForm {
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
  return async (password) => {
    const before = await hashes()
    const answer = await browser.request(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        Origin: setup.server.issuer,
        'X-Forwarded-For': `198.18.${guests % 256}.1`,
      },
      body: Buffer.concat([Buffer.from(`${encode({ csrf, ...fields })}&password=`), Buffer.from(password)]),
    })
    return { status: answer.status, body: answer.body, hashed: (await hashes()) - before }
  }
}

let recoveryLink: string
beforeAll(async () => {
  await setup.member('forgetful@example.com')
  await setup.askForRecovery('forgetful@example.com')
  recoveryLink = (await setup.mailbox.waitFor('forgetful@example.com', 'recovery')).link!
})

const tooLong = 'password_too_long'
const tooLarge = 'body_too_large'
const malformed = 'request_malformed'

const hostile: [what: string, password: string | Buffer, status: number, code: string][] = [
  ['1 MB', 'x'.repeat(1024 * 1024), 413, tooLarge],
  ['50 KB', 'x'.repeat(50 * 1024), 400, tooLong],
  ['129 characters', 'x'.repeat(129), 400, tooLong],
  ['50 KB of combining marks', encodeURIComponent(`a${'\u0301'.repeat(8_000)}`), 400, tooLong],
  ['129 of the longest ligature', encodeURIComponent('\ufdfa'.repeat(129)), 400, tooLong],
  ['a NUL', 'lanterns%00over the river', 400, malformed],
  ['a NUL at the end', 'lanterns over the river%00', 400, malformed],
  ['a NUL as it is', Buffer.from('lanterns\0over the river'), 400, malformed],
  ['half a surrogate pair, escaped', 'lanterns over%ED%A0%80 the river', 400, malformed],
  ['the other half', 'lanterns over%ED%B0%80 the river', 400, malformed],
  ['a surrogate pair as two halves', '%ED%A0%BD%ED%B4%91 lanterns over', 400, malformed],
  ['half a surrogate pair as bytes', Buffer.from('6c616e7465726e73eda0806f766572', 'hex'), 400, malformed],
  ['a NUL in two bytes', 'lanterns%C0%80over the river', 400, malformed],
  ['bytes that are no UTF-8', 'lanterns%FF%FEover the river', 400, malformed],
  ['a cut character', 'lanterns over the river%F0%9F%94', 400, malformed],
  ['an escape of another standard', 'lanterns%u0000over the river', 400, malformed],
]

describe.each(Object.entries(passwordForms))('%s', (_, open) => {
  test.each(hostile)('%s: a page with the reason, and no hash', async (_what, password, status, code) => {
    const answer = await (await open())(password)
    expect([answer.status, answer.hashed]).toEqual([status, 0])
    expect(codesOn(answer)).toEqual([code])
    expect(answer.body).toMatch(/^<!doctype html>/i)
  })
})

test('an ordinary password costs one hash at each of these forms', async () => {
  for (const [name, open] of Object.entries(passwordForms)) {
    const { status, hashed } = await (await open())('lanterns+over+the+quiet+river')
    expect([name, status, hashed]).toEqual([name, name === 'login' ? 400 : 200, 1])
  }
})

test('a password with direction marks, or in a right-to-left script, signs in only exactly as it is', async () => {
  const hash = (password: string) =>
    argon2.hash(password.normalize('NFC'), { type: argon2.argon2id, memoryCost: 19456, timeCost: 2, parallelism: 1 })
  const people = [
    ['marked@example.com', 'lanterns \u202eover\u202c the \u200friver'],
    ['hebrew@example.com', 'פנסים מעל הנהר השקט'],
  ] as const
  const lines = await Promise.all(
    people.map(async ([email, password], index) => ({
      number: index + 1,
      text: JSON.stringify({ email, email_verified: true, password_hash: await hash(password) }),
    })),
  )
  await setup.server.parts.accountImport.importBatch(lines, undefined, operator)
  for (const [email, password] of people) {
    expect([email, await setup.signsIn(email, password)]).toEqual([email, true])
    expect([email, await setup.signsIn(email, `\u200e${password}`)]).toEqual([email, false])
    expect([email, await setup.signsIn(email, password.replace(/[\u200f\u202c\u202e]| /g, ''))]).toEqual([email, false])
  }
})

test('an email with a NUL, half a character or too many characters is refused at the login, without a hash', async () => {
  const { browser, authorizeUrl } = createRelyingParty(setup.server)
  const page = await browser.follow(await browser.get(await authorizeUrl()))
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
  for (const email of ['a%00@example.com', 'a%ED%A0%80@example.com', `${'a'.repeat(400)}@example.com`]) {
    const before = await hashes()
    const { status } = await browser.request(`${page.url}/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: setup.server.issuer },
      body: `${encode({ csrf, password: goodPassword })}&email=${email}`,
    })
    expect([email.slice(0, 30), status, (await hashes()) - before]).toEqual([email.slice(0, 30), 400, 0])
  }
})
