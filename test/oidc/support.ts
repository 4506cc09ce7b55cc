/** Shared by the protocol tests: verified tokens and parsed responses. */
import type { JSONWebKeySet, JWTPayload, JWTVerifyOptions } from 'jose'
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import type { Page } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty } from '../support/latchkey.ts'

export const minutes = (count: number): number => count * 60_000
export const hours = (count: number): number => count * 3_600_000
export const days = (count: number): number => count * 86_400_000

export const claimsIn = (jwt: string): JWTPayload & Record<string, unknown> => decodeJwt(jwt)

/** Verifies a JWT as a relying party does: signature by /jwks, issuer, and `options`. */
export async function verify(server: Latchkey, jwt: string, options: JWTVerifyOptions = {}): Promise<JWTPayload> {
  const jwks = (await (await fetch(`${server.issuer}/jwks`)).json()) as JSONWebKeySet
  const { payload } = await jwtVerify(jwt, createLocalJWKSet(jwks), {
    issuer: server.issuer,
    currentDate: new Date(server.clock.now()),
    ...options,
  })
  return payload
}

/** The parameters of the page's redirect. */
export function answerIn(page: Page): Record<string, string> {
  if (page.next === undefined) throw new Error(`no redirect: ${page.status} ${page.url}\n${page.body.slice(0, 2000)}`)
  return Object.fromEntries(new URL(page.next).searchParams)
}

/** A relying party with a browser in which alice is signed in and has consented to `scope`. */
export async function signedIn(server: Latchkey, parameters: Record<string, string | undefined> = {}) {
  const relyingParty = createRelyingParty(server)
  const tokens = await relyingParty.signIn(parameters)
  return { ...relyingParty, tokens }
}

/** The value of the cookie `latchkey.session` in this browser. */
export async function sessionCookie(
  { browser }: Pick<ReturnType<typeof createRelyingParty>, 'browser'>,
  server: Latchkey,
): Promise<string | undefined> {
  const cookies = await browser.jar.getCookies(server.issuer)
  return cookies.find(({ key }) => key === 'latchkey.session')?.value
}
