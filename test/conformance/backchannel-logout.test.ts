/** Plan oidcc-backchannel-rp-initiated-logout-certification-test-plan: a test for each module. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import type { Latchkey } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'
import type { Suite } from './certification.ts'
import { createSuite, postLogoutUri, startCertified } from './certification.ts'

let server: Latchkey
let suite: Suite
let site: Server
const received: string[] = []

beforeAll(async () => {
  site = createServer(async (request, response) => {
    received.push(new URLSearchParams(await text(request)).get('logout_token') ?? '')
    response.writeHead(200).end()
  })
  site.listen(0, 'localhost')
  await once(site, 'listening')
  server = await startCertified({
    backchannel_logout_uri: `http://localhost:${(site.address() as AddressInfo).port}/logout`,
    backchannel_logout_session_required: true,
  })
  suite = createSuite(server, 'query')
})
afterAll(async () => {
  site.close()
  await server.stop()
})

test('oidcc-backchannel-logout-discovery-endpoint-verification', async () => {
  const metadata = await suite.discovery()
  expect(metadata).toMatchObject({ backchannel_logout_supported: true, backchannel_logout_session_supported: true })
  expect(new URL(String(metadata.end_session_endpoint)).origin).toBe(server.issuer)
})

test('oidcc-backchannel-rp-initiated-logout', async () => {
  const { tokens } = await suite.flow()
  const { sub, sid } = decodeJwt(tokens.id_token)
  expect(sid).toEqual(expect.any(String))
  const parameters = { id_token_hint: tokens.id_token, post_logout_redirect_uri: postLogoutUri, state: 'logout-state' }
  const page = await suite.browser.get(`${server.issuer}/logout?${new URLSearchParams(parameters)}`)
  expect(page.next).toBe(`${postLogoutUri}?state=logout-state`)
  const audience = decodeJwt(tokens.id_token).aud as string
  await waitFor(async () => (await server.parts.logout.list({ clientId: audience }))[0]?.state === 'delivered')
  expect(received).toHaveLength(1)
  const keys = createRemoteJWKSet(new URL(`${server.issuer}/jwks`))
  const currentDate = new Date(server.clock.now())
  const { payload } = await jwtVerify(received[0]!, keys, { issuer: server.issuer, audience, currentDate })
  expect(payload).toMatchObject({ sub, sid, jti: expect.any(String), iat: expect.any(Number) })
  expect(payload.events).toEqual({ 'http://schemas.openid.net/event/backchannel-logout': {} })
  expect(payload).not.toHaveProperty('nonce')
  const again = await suite.browser.get(suite.authorizeUrl({ prompt: 'none' }))
  expect(suite.answerIn(again)).toMatchObject({ error: 'login_required' })
})
