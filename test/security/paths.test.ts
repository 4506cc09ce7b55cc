/** Bad input at the door: paths, methods, headers and bodies that nobody honest sends. Each gets a plain refusal, never a 500. */
import { connect } from 'node:net'
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'

let server: Latchkey
const log: string[] = []

beforeAll(async () => {
  server = await startLatchkey({ onLog: (line) => log.push(line) })
})
afterAll(() => server.stop())

/** Writes `text` to the server as it is and gives everything that comes back. */
function raw(text: string): Promise<string> {
  const { port } = new URL(server.issuer)
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('data', (chunk) => (answer += String(chunk)))
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

const statusesIn = (answer: string): number[] =>
  [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status))

/** One request line on a connection of its own, so that no client tidies the path up first. */
const ask = async (line: string, headers: readonly string[] = [], body = ''): Promise<string> =>
  raw([`${line} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', body].join('\r\n'))

const form = (body: string) => ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${body.length}`]

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
])('a path means what it says and nothing near it: %s is not there', async (line) => {
  const body = line.startsWith('POST') ? 'grant_type=client_credentials' : ''
  const answer = await ask(line, [...(body ? form(body) : []), 'Origin: https://evil.example'], body)
  expect(statusesIn(answer)).toEqual([404])
  expect(answer).not.toMatch(/^(location|access-control-allow-origin):/im)
})

test('a handle of an authorization is not a way to another method', async () => {
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const [status] = statusesIn(await ask(`${method} /authorize/aaaaaaaaaaaaaaaaaaaaa`, form(''), ''))
    expect([404, 405]).toContain(status)
  }
})
