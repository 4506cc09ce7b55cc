/**
 * Attacks on the login and its pages, by their number in the attack list.
 * Tested elsewhere: 4 test/http/address, 9, 10, 12, 13 test/oidc/core-session, 11 test/http/csrf
 * and here, 47 to 49 test/oidc/rp-initiated-logout, 53 test/security/hostile-requests.
 */

import { answerIn } from '../oidc/support.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey, testPassword, webSecret } from '../support/latchkey.ts'
import { waitFor } from '../support/wait.ts'
import { message, sendRaw } from './wire.ts'

let server: Latchkey
const lines: string[] = []
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

beforeAll(async () => {
  server = await startLatchkey({ env: { PASSWORD_HASH_QUEUE: '2' }, onLog: (line) => lines.push(line) })
  const { accounts } = server.parts
  const disabled = await accounts.create(
    { email: 'disabled@example.com', password: 'was here before, is not now' },
    operator,
  )
  await accounts.disable(disabled, operator)
  await accounts.create({ email: 'no-password@example.com' }, operator)
})
afterAll(() => server.stop())

async function loginPage(parameters: Record<string, string> = {}) {
  const rp = createRelyingParty(server)
  return { rp, page: await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl(parameters))) }
}

/** The number of hashes computed so far. */
async function hashes(): Promise<number> {
  const { values = [] } = (await server.parts.metrics.getSingleMetric('latchkey_password_hash_seconds')?.get()) ?? {}
  return (
    (values as { metricName?: string; value: number }[]).find((row) => row.metricName?.endsWith('_count'))?.value ?? 0
  )
}

/** A page without the parts that differ between requests. */
const withoutTokens = (body: string, email: string) =>
  body
    .replace(/interaction\/[\w-]+/g, 'interaction')
    .replace(/value="[\w-]+(?:\.[\w-]+)+"/g, 'token')
    .replace(/data-passkey="[^"]*"/, 'challenge')
    .replaceAll(email, 'somebody')

test('5: wrong, unknown, disabled and passwordless sign-ins have the same status, text and number of hashes', async () => {
  const bodies: string[] = []
  for (const [email, password] of [
    ['alice@example.com', 'not this one'],
    ['nobody@example.com', 'not this one'],
    ['disabled@example.com', 'was here before, is not now'],
    ['no-password@example.com', 'not this one'],
    ['not an address', 'not this one'],
  ] as const) {
    const { rp, page } = await loginPage()
    const before = await hashes()
    const answer = await rp.browser.submit(page, '/login', { email, password })
    expect([email, answer.status, (await hashes()) - before]).toEqual([email, 400, 1])
    bodies.push(withoutTokens(answer.body, email))
  }
  expect(new Set(bodies).size).toBe(1)
})

test('7: a password of 50 KB, or with a NUL, is refused without a hash', async () => {
  for (const password of ['x'.repeat(50_000), 'x'.repeat(129), 'a\u0000b wonderland']) {
    const { rp, page } = await loginPage()
    const before = await hashes()
    const answer = await rp.browser.submit(page, '/login', { email: 'alice@example.com', password })
    expect([password.length, answer.status, (await hashes()) - before]).toEqual([password.length, 400, 0])
  }
})

test('8: a login beyond the hash pool gets a Retry-After header, and other endpoints still respond', async () => {
  const pages = await Promise.all(Array.from({ length: 12 }, () => loginPage()))
  const answering = Promise.all(
    // Each at another address, because tries at one address wait for each other.
    pages.map(({ rp, page }, index) =>
      rp.browser.submit(page, '/login', { email: `flood-${index}@example.com`, password: testPassword }),
    ),
  )
  const { token, basic } = createRelyingParty(server)
  const machine = { Authorization: basic('machine', webSecret) }
  const beside = await Promise.all([
    fetch(`${server.issuer}/health/ready`),
    token({ grant_type: 'client_credentials', scope: 'api:read', resource: api }, machine),
  ])
  expect(beside.map(({ status }) => status)).toEqual([200, 200])
  const answers = await answering
  const statuses = new Set(answers.map(({ status }) => status))
  expect([...statuses].sort()).toEqual([400, 503])
  for (const { status, headers, body } of answers) {
    if (status !== 503) continue
    expect(Number(headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(body).toMatch(/flood-\d+@example\.com/)
  }
})

test('11: a login from another site, without the token, or with another browser’s, is refused without a sign-in', async () => {
  const fields = { email: 'alice@example.com', password: testPassword }
  const { rp, page } = await loginPage()
  const action = `${page.url}/login`
  const foreign = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }
  const other = await loginPage()
  const token = /name="csrf" value="([^"]+)"/.exec(other.page.body)![1]!
  const answers = [
    await rp.browser.post(action, fields),
    await rp.browser.post(action, { ...fields, csrf: token }),
    await rp.browser.post(action, { ...fields, csrf: /name="csrf" value="([^"]+)"/.exec(page.body)![1]! }, foreign),
    await rp.browser.post(
      action,
      { ...fields, csrf: /name="csrf" value="([^"]+)"/.exec(page.body)![1]! },
      { Origin: 'null' },
    ),
  ]
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403])
  expect(answerIn(await rp.browser.get(await rp.authorizeUrl({ prompt: 'none' })))).toMatchObject({
    error: 'login_required',
  })
})

test('50, 51: a client’s or a user’s name is data on every page, and a name that reverses text is refused', async () => {
  const clientName = '<script>alert(1)</script>'
  const metadata = {
    client_name: clientName,
    redirect_uris: ['https://names.example/callback'],
    scope: 'openid profile',
  }
  await server.addClient({ clientId: 'names', kind: 'spa', metadata })
  const name = '"><img src=x onerror=alert(1)>'
  await server.parts.accounts.create(
    { email: 'names@example.com', name, password: 'a name of my own choosing' },
    operator,
  )
  const { rp, page } = await loginPage({
    client_id: 'names',
    redirect_uri: 'https://names.example/callback',
    scope: 'openid profile',
    state: '<script>',
  })
  expect(page.body).not.toContain('<script>alert')
  expect(page.body).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  const answer = await rp.browser.submit(page, '/login', {
    email: 'names@example.com',
    password: 'a name of my own choosing',
  })
  const consent = await rp.browser.follow(answer)
  expect(consent.body).toContain('names.example')
  expect(consent.body).not.toMatch(/<img src=x|<script>alert/)
  expect(consent.headers.get('Content-Security-Policy')).toContain("frame-ancestors 'none'")
  for (const bad of ['Ba\u202Enk', 'Two\nlines', 'x'.repeat(65), '']) {
    await expect(
      server.addClient({ clientId: 'bad', kind: 'spa', metadata: { ...metadata, client_name: bad } }),
    ).rejects.toMatchObject({ code: 'client_invalid' })
  }
})

test('59: a header value stays within one line of the log', async () => {
  lines.length = 0
  await fetch(`${server.issuer}/`, { headers: { 'User-Agent': 'x\t"} {"level":"fatal","msg":"forged"' } })
  await sendRaw(server.issuer, message('GET / HTTP/1.1\r\nUser-Agent: a\rb', []))
  // NEL ends a line for some readers, and CSI starts a terminal command. JSON does not escape
  // either of them.
  await sendRaw(server.issuer, message('GET / HTTP/1.1\r\nUser-Agent: nel\x85{"level":"fatal"}csi\x9b31m', []))
  await server.parts.accounts
    .create(
      { email: 'turned@example.com', name: 'x' },
      { actor: { type: 'operator', id: 'op\u202e\u2028\u2066' }, origin: { command: 'test' } },
    )
    .then((id) => server.parts.accounts.disable(id, operator))
  await waitFor(async () => lines.some((line) => line.includes('\\u202e')))
  expect(lines.filter((line) => line.includes('forged')).length).toBeGreaterThan(0)
  expect(lines.some((line) => line.includes('nel\\u0085'))).toBe(true)
  for (const line of lines) {
    expect(line.trimEnd()).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u)
    expect(JSON.parse(line)).not.toMatchObject({ level: 'fatal' })
  }
})

test('61: an internal error is a 500 without a stack, a path or a cause', async () => {
  const { clients } = server.parts
  const { findById } = clients
  clients.findById = () => Promise.reject(new Error('a secret cause at /srv/latchkey'))
  try {
    for (const headers of [{ Accept: 'application/json' }, { Accept: 'text/html' }]) {
      const response = await fetch(`${server.issuer}/token`, {
        method: 'POST',
        headers,
        body: new URLSearchParams({ client_id: 'web', client_secret: 'x', grant_type: 'x' }),
      })
      const body = await response.text()
      expect(response.status).toBe(500)
      expect(body).not.toMatch(/secret cause|\/srv|\.ts:|at .*\(/)
    }
  } finally {
    clients.findById = findById
  }
})
