/** Shared by the second-factor tests: a phone that computes codes, and an account that uses one. */

import { createHmac } from 'node:crypto'
import { byAccount } from '../audit/origins.ts'
import type { TestClock } from '../support/clock.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty } from '../support/latchkey.ts'

export const acr = {
  password: 'urn:latchkey:acr:password',
  mfa: 'urn:latchkey:acr:mfa',
  phishingResistant: 'urn:latchkey:acr:mfa-phishing-resistant',
}
export const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
export const secondsMs = (count: number): number => count * 1000

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export function fromBase32(text: string): Buffer {
  const bits = [...text.replaceAll(' ', '')]
    .map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  return Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)))
}

/** RFC 4226 §5.3 with SHA-1 and six digits, counting steps of thirty seconds (RFC 6238 §4.2). */
export function codeAt(secret: Buffer, atMs: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(atMs / 30_000)))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = mac[19]! & 0xf
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

export type Phone = { code: (offsetMs?: number) => string; secret: Buffer }

export const createPhone = (secret: Buffer, clock: TestClock): Phone => ({
  secret,
  code: (offsetMs = 0) => codeAt(secret, clock.now() + offsetMs),
})

/** The set-up page's data for an authenticator app. */
export const offerPhone = async (
  { factors }: Pick<Latchkey['parts'], 'factors'>,
  account: { id: string; email: string },
  binding: string,
) => (await factors.offer('totp', account, binding)) as { sealed: string; secret: string }

/** Adds an authenticator app to the account, and moves past the time step of its first code. */
export async function addPhone({ parts, clock }: Latchkey, email: string) {
  const account = (await parts.accounts.findByEmail(email))!
  const offer = await offerPhone(parts, account, 'test')
  const phone = createPhone(fromBase32(offer.secret), clock)
  const caller = { accountId: account.id, generation: account.generation, by: byAccount(account.id) }
  const codes = await parts.factors.add(caller, 'totp', 'test', { offer: offer.sealed, code: phone.code() })
  clock.advance(secondsMs(30))
  return { account, phone, codes: codes! }
}

/** The policy refuses a password that contains the user's name, so all accounts share this one. */
export const goodPassword = 'the lantern is lit tonight'

/** An account with an authenticator app and a unique email. */
export async function member(server: Latchkey, name: string) {
  const email = `${name}@people.example`
  await server.parts.accounts.create(
    { email, isEmailVerified: true, name: 'Somebody', password: goodPassword },
    operator,
  )
  const person = { email, password: goodPassword }
  return { ...person, person, ...(await addPhone(server, email)) }
}

/** Signs in up to the page that asks for the factor, in a new browser by default. */
export async function toFactor(
  server: Latchkey,
  { email, password }: { email: string; password: string },
  parameters: Record<string, string | undefined> = {},
  rp = createRelyingParty(server),
) {
  const login = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl(parameters)))
  const page = await rp.browser.follow(await rp.browser.submit(login, '/login', { email, password }))
  return { ...rp, page }
}
