/**
 * The setup of the tests of guessing: tries at the login page, and a browser that solves the
 * CAPTCHA.
 */
import type { Challenge } from 'altcha-lib'
import { solveChallenge } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import type { Browser, Page } from '../support/browser.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty } from '../support/latchkey.ts'

const plain = (text: string) => text.replaceAll('&#34;', '"').replaceAll('&quot;', '"').replaceAll('&amp;', '&')

export function challengeIn({ body }: Page): Challenge | undefined {
  const found = /<altcha-widget[^>]* challenge="([^"]*)"/.exec(body)?.[1]
  return found === undefined ? undefined : JSON.parse(plain(found))
}

/**
 * The value that the widget would put into the form. With the numbers that the server has drawn it
 * is found at once; without them it takes a second, as in a browser.
 */
export async function solve(challenge: Challenge, drawn: readonly number[] = []): Promise<string> {
  const solution = (await solveWith(challenge, drawn)) ?? (await solveChallenge({ challenge, deriveKey }))
  return Buffer.from(JSON.stringify({ challenge, solution })).toString('base64')
}

async function solveWith({ parameters }: Challenge, drawn: readonly number[]) {
  const nonce = Buffer.from(parameters.nonce, 'hex')
  for (const counter of drawn.toReversed()) {
    const password = Buffer.concat([nonce, Buffer.alloc(4)])
    password.writeUInt32BE(counter, nonce.length)
    const key = await deriveKey(parameters, Buffer.from(parameters.salt, 'hex'), password)
    const derivedKey = Buffer.from(key.derivedKey).toString('hex')
    if (derivedKey.startsWith(parameters.keyPrefix)) return { counter, derivedKey }
  }
  return undefined
}

/** A login page in a new browser, or in the given one. */
export async function loginPage(server: Latchkey, browser: Browser = createBrowser()) {
  const rp = createRelyingParty(server, browser)
  return { rp, browser, page: await browser.follow(await browser.get(await rp.authorizeUrl({ prompt: 'login' }))) }
}

/**
 * One try in a new login, as a program makes it. Solves the CAPTCHA of the page before, when there
 * is one.
 */
export async function attempt(server: Latchkey, email: string, password: string, browser?: Browser): Promise<Page> {
  const { page, browser: own } = await loginPage(server, browser)
  return own.submit(page, '/login', { email, password })
}

/** The number of hashes computed so far. */
export async function hashes({ parts }: Latchkey): Promise<number> {
  const { values = [] } = (await parts.metrics.getSingleMetric('latchkey_password_hash_seconds')?.get()) ?? {}
  const rows = values as { metricName?: string; value: number }[]
  return rows.filter((row) => row.metricName?.endsWith('_count')).reduce((sum, { value }) => sum + value, 0)
}
