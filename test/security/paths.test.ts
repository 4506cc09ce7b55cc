/**
 * Bad input: paths, methods, headers and bodies that no honest client sends. Each gets a plain
 * refusal, never a 500.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'
import { formType, lengthOf, message, sendRaw, statusesIn } from './wire.ts'

let server: Latchkey

beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

const ask = (line: string, headers: readonly string[], body: string) =>
  sendRaw(server.issuer, message(line, headers, body))

test.each([
  'POST /TOKEN',
  'POST /token/',
  'POST //token',
  'POST /%74oken',
  'POST /x/../token',
  'POST /token;x=1',
  'POST /.//token',
  'POST /token%2f',
  'POST /Logout/confirm',
  'POST /logout/confirm/',
  'GET /Authorize',
  'GET /authorize/',
  'GET /logout/',
  'GET /LOGOUT',
  'GET /userinfo/',
  'POST /introspect/',
  'OPTIONS /Token',
  'GET /.well-known/openid-configuration/',
  'GET /.well-known/OPENID-configuration',
  'GET /jwks/',
  'GET /interaction/',
  'GET /Interaction/aaaaaaaaaaaaaaaaaaaaa',
  'GET /assets/../package.json',
  'GET /assets/..%2f..%2fpackage.json',
  'GET /assets/%2e%2e/%2e%2e/package.json',
  'GET /.env',
  'GET //evil.example/',
  'GET /\\evil.example',
  'GET http://evil.example/nowhere',
])('a path that differs in case, slashes or encoding does not exist: %s', async (line) => {
  const body = line.startsWith('POST') ? 'grant_type=client_credentials' : ''
  const answer = await ask(line, [...(body ? [formType, lengthOf(body)] : []), 'Origin: https://evil.example'], body)
  expect(statusesIn(answer)).toEqual([404])
  expect(answer).not.toMatch(/^(location|access-control-allow-origin):/im)
})

test('an authorization to resume refuses every other method', async () => {
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const [status] = statusesIn(
      await ask(`${method} /authorize/aaaaaaaaaaaaaaaaaaaaa`, [formType, 'Content-Length: 0'], ''),
    )
    expect([404, 405]).toContain(status)
  }
})
