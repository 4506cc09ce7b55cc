/**
 * The answers that are compared: their time must not reveal whether an address has an account. For
 * the script and the test.
 */
import type { Endpoints } from './authorize.ts'
import { openForm, openLogin } from './authorize.ts'
import type { Answer } from './browser.ts'
import { createBrowser } from './browser.ts'
import type { Group } from './people.ts'
import { ipHeader, password, personOf } from './people.ts'
import type { Case } from './timing.ts'
import { withoutTokens } from './timing.ts'

const salt = 'c2l4dGVlbiBieXRlcw'
const result = 'GXxFKcyzC+ttyp3771S46HYYOja+pVGWMQfo12emkXc'
/**
 * Hashes with other costs than today's. They belong to no password, so every try with them fails.
 */
const otherHashes = {
  'argon2id m=8': `$argon2id$v=19$m=8,t=3,p=1$${salt}$${result}`,
  'argon2id m=7168,t=5': `$argon2id$v=19$m=7168,t=5,p=1$${salt}$${result}`,
  'argon2id m=19456,t=2': `$argon2id$v=19$m=19456,t=2,p=1$${salt}$${result}`,
  'bcrypt 10': `$2b$10$CCCCCCCCCCCCCCCCCCCCC.${result.replaceAll('+', '.').slice(0, 31)}`,
  'scrypt 2^15': `$scrypt$ln=15,r=8,p=1$${salt}$${result}`,
  'PBKDF2 600,000': `$pbkdf2-sha256$i=600000$${salt}$${result}`,
}
/** All addresses of a measurement have one length, so the name of a group is short. */
const groupOf = (label: string) => label.replaceAll(/\W/g, '').slice(0, 14).toLowerCase()

/**
 * The accounts for `tries` tries. Each try uses another account: a sixth wrong password gets
 * another page.
 */
export const groupsFor = (tries: number): Group[] => [
  // Twice as many, because the first case of each comparison is measured twice.
  { name: 'known', kind: 'usual', count: 2 * tries },
  { name: 'registered', kind: 'usual', count: 2 * tries },
  { name: 'recovered', kind: 'usual', count: 2 * tries },
  { name: 'followed', kind: 'usual', count: 2 * tries },
  { name: 'disabled', kind: 'disabled', count: tries },
  { name: 'passwordless', kind: 'passwordless', count: tries },
  ...Object.entries(otherHashes).map(
    ([label, passwordHash]): Group => ({ name: groupOf(label), kind: 'usual', count: tries, passwordHash }),
  ),
]

const wrongPassword = 'lanterns over the quiet rivet'
let requests = 0

/**
 * Groups of cases at the server `issuer`. The other cases of a group are compared with its first
 * one.
 */
export function comparisonsAt(issuer: string): { name: string; cases: Case[] }[] {
  const endpoints = { authorization_endpoint: `${issuer}/authorize` } as Endpoints
  // Without an agent every browser has its own connections, so no browser waits for another one.
  const visit = () => {
    requests += 1
    return createBrowser(issuer, undefined, ipHeader(requests))
  }
  const timingOf = ({ ms, status, headers, body }: Answer, email: string) => {
    // The end of a counter's window depends only on the moment of the request.
    const { 'x-request-id': _, date: __, 'content-length': ___, 'x-ratelimit-reset': ____, ...rest } = headers
    if (typeof rest.ratelimit === 'string') rest.ratelimit = rest.ratelimit.replaceAll(/;t=\d+/g, '')
    const cookies = (rest['set-cookie'] ?? []).map((cookie) => cookie.replace(/=[^;]*/, '='))
    return { ms, answer: JSON.stringify([status, { ...rest, 'set-cookie': cookies }, withoutTokens(body, email)]) }
  }

  const login = (name: string, group: string, typed: string): Case => ({
    name,
    run: async (index) => {
      const { email } = personOf(group, index)
      const submit = await openLogin(visit(), endpoints)
      return timingOf(await submit({ email, password: typed }, [400]), email)
    },
  })
  const form = (name: string, path: string, group: string, fields: Record<string, string>): Case => ({
    name,
    run: async (index) => {
      const { email } = personOf(group, index)
      const submit = await openForm(visit(), path)
      return timingOf(await submit({ email, ...fields }), email)
    },
  })
  /**
   * The page that is opened right after the request. Sending email must not slow it down for some
   * addresses only.
   */
  const pageAfter = (name: string, group: string): Case => ({
    name,
    run: async (index) => {
      const { email } = personOf(group, index)
      const browser = visit()
      await (await openForm(browser, '/recover'))({ email })
      return timingOf(await browser.send('GET', '/recover', { withCookies: true }), email)
    },
  })
  const applicant = { name: 'Somebody New', password }
  return [
    {
      name: 'login',
      cases: [
        login('wrong password', 'known', wrongPassword),
        login('unknown address', 'unknown', wrongPassword),
        login('disabled, right password', 'disabled', password),
        login('no password set', 'passwordless', wrongPassword),
      ],
    },
    {
      name: 'login with hashes of other costs',
      cases: [
        login('unknown address', 'unknown-other', wrongPassword),
        ...Object.keys(otherHashes).map((label) => login(label, groupOf(label), wrongPassword)),
      ],
    },
    {
      name: 'registration',
      cases: [form('taken', '/register', 'registered', applicant), form('free', '/register', 'newcomer', applicant)],
    },
    {
      name: 'recovery',
      cases: [form('known', '/recover', 'recovered', {}), form('unknown', '/recover', 'nobody', {})],
    },
    {
      name: 'the page after recovery',
      cases: [pageAfter('known', 'followed'), pageAfter('unknown', 'nobody-after')],
    },
  ]
}
