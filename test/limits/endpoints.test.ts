/**
 * Limits of programs, from outside: token, PAR, introspection, revocation, userinfo, and failed
 * client authentication.
 */
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { says } from '../support/sentences.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const minute = 60_000
const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${id}:${encodeURIComponent(secret)}`).toString('base64')}`

let server: Latchkey
let network = 0
beforeAll(async () => {
  server = await startLatchkey({ hasDefaultLimits: true, env: { TRUST_PROXY: '127.0.0.0/8,::1' } })
})
afterAll(() => server?.stop())
// Each test starts with full limits, and in a network of its own.
beforeEach(() => {
  network += 1
})
afterEach(() => server.clock.advance(10 * minute))

type Answer = { status: number; headers: Headers; body: Record<string, string> }

async function send(
  path: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${server.issuer}${path}`, {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers: { 'X-Forwarded-For': `198.51.100.${network}`, ...headers },
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}

const machine = { Authorization: basic('machine', webSecret) }
const machineToken = (headers: Record<string, string> = machine) =>
  send('/token', { grant_type: 'client_credentials', scope: 'api:read', resource: 'https://api.example/' }, headers)

const repeat = async (times: number, ask: () => Promise<Answer>): Promise<Answer[]> => {
  const answers: Answer[] = []
  for (let index = 0; index < times; index += 25) {
    answers.push(...(await Promise.all(Array.from({ length: Math.min(25, times - index) }, ask))))
  }
  return answers
}
const count = (answers: readonly Answer[], status: number) =>
  answers.filter((answer) => answer.status === status).length
const numbers = ({ headers }: Answer) =>
  ['Limit', 'Remaining', 'Reset'].map((name) => Number(headers.get(`X-RateLimit-${name}`) ?? Number.NaN))

test('a machine gets three thousand tokens a minute, or as many as the setting says, and then a 429 as RFC 6749 formats it', async () => {
  const unset = await machineToken()
  expect([unset.status, ...numbers(unset)]).toEqual([200, 3000, 2999, 1])
  await server.parts.settings.set('tokenRequestsPerMinute', '0', operator)
  const unlimited = await machineToken()
  expect([unlimited.status, unlimited.headers.get('X-RateLimit-Limit')]).toEqual([200, null])
  await server.parts.settings.set('tokenRequestsPerMinute', '300', operator)
  server.clock.advance(2 * minute)
  const first = await machineToken()
  expect([first.status, ...numbers(first)]).toEqual([200, 300, 299, 1])
  expect([first.headers.get('RateLimit-Policy'), first.headers.get('RateLimit')]).toEqual([
    '"client_credentials";q=300;w=60',
    '"client_credentials";r=299;t=1',
  ])
  const answers = await repeat(305, () => machineToken())
  expect([count(answers, 200), count(answers, 429)]).toEqual([299, 6])
  const refusal = answers.at(-1)!
  expect(refusal.body).toMatchObject({ error: 'temporarily_unavailable', code: 'too_many_requests' })
  expect(refusal.body.error_description).toMatch(says('errors.too_many_requests', { minutes: 1 }))
  expect(refusal.headers.get('Retry-After')).toBe('1')
  expect(refusal.headers.get('Cache-Control')).toContain('no-store')
  expect(numbers(refusal)).toEqual([300, 0, 60])
  // Another client of the same network has its own limit.
  expect(
    (await send('/token', { grant_type: 'authorization_code', code: 'x' }, { Authorization: basic('web', webSecret) }))
      .status,
  ).toBe(400)
  server.clock.advance(1_000)
  expect(count(await repeat(6, () => machineToken()), 200)).toBe(5)
  await server.parts.settings.set('tokenRequestsPerMinute', undefined, operator)
})

test('a web application refreshes for all of its users: each grant is counted, not the client, and not its network', async () => {
  const web = { Authorization: basic('web', webSecret) }
  const tokens: string[] = []
  for (let index = 0; index < 2; index += 1) {
    const { refresh_token: token } = await createRelyingParty(server).signIn({ scope: 'openid offline_access' })
    tokens.push(token!)
  }
  const refresh = async (index: number) => {
    const answer = await send('/token', { grant_type: 'refresh_token', refresh_token: tokens[index]! }, web)
    tokens[index] = answer.body.refresh_token ?? tokens[index]!
    return answer
  }
  const first = await refresh(0)
  expect([first.status, ...numbers(first).slice(0, 2)]).toEqual([200, 60, 58])
  const answers = [first]
  for (let index = 1; index < 62; index += 1) answers.push(await refresh(0))
  // The exchange of the code was the first.
  expect([count(answers, 200), count(answers, 429)]).toEqual([59, 3])
  expect((await refresh(1)).status).toBe(200)
  await server.parts.settings.set('rateLimitPercent', '10', operator)
  try {
    server.clock.advance(10 * minute)
    // At ten per cent the network's limit is 300, but it does not apply to these requests.
    const others = await repeat(310, () => send('/introspect', { token: 'x' }, web))
    expect([count(others, 200), others[0]!.headers.get('X-RateLimit-Limit')]).toEqual([310, null])
  } finally {
    await server.parts.settings.set('rateLimitPercent', undefined, operator)
  }
})

test('the pages of a logout count for its limit', async () => {
  for (const path of ['/logout', '/logout/success']) {
    const response = await fetch(`${server.issuer}${path}`, { headers: { 'X-Forwarded-For': '203.0.113.77' } })
    expect(response.headers.get('RateLimit-Policy')).toBe('"logout";q=600;w=60')
  }
})

test('a POST to /logout or /authorize counts for its IP address before it is stored for the GET that follows', async () => {
  for (const path of ['/logout', '/authorize']) {
    const headers = { 'X-Forwarded-For': `203.0.113.${path.length}` }
    const body = new URLSearchParams({ id_token_hint: 'not.a.hint' })
    const post = () => fetch(`${server.issuer}${path}`, { method: 'POST', body, headers, redirect: 'manual' })
    const first = await post()
    expect([first.status, first.headers.get('X-RateLimit-Limit')]).toEqual([303, '600'])
    const rows = async () => Number((await server.database.knex('artifact').count({ rows: '*' }).first())!.rows)
    for (let asked = 1; asked < 600; asked += 50) await Promise.all(Array.from({ length: 50 }, post))
    const before = await rows()
    expect((await post()).status).toBe(429)
    expect(await rows()).toBe(before)
  }
})

test('a /48 of IPv6 has ten times the limit of a /64', async () => {
  await server.parts.settings.set('rateLimitPercent', '10', operator)
  try {
    let subnet = 0
    const answers = await repeat(620, async () => {
      subnet += 1
      const headers = { 'X-Forwarded-For': `2001:db8:77:${subnet.toString(16)}::1` }
      const response = await fetch(`${server.issuer}/logout/success`, { headers })
      await response.text()
      return { status: response.status, headers: response.headers, body: {} }
    })
    expect(answers[0]!.headers.get('RateLimit-Policy')).toBe('"logout";q=60;w=60')
    expect(count(answers, 429)).toBeGreaterThan(15)
    expect(count(answers, 429)).toBeLessThan(25)
  } finally {
    await server.parts.settings.set('rateLimitPercent', undefined, operator)
  }
})

test('a client with its own limit has that limit, is not limited by its network, and the setting applies to all others', async () => {
  await server.addClient({
    clientId: 'busy',
    kind: 'machine',
    secret: webSecret,
    metadata: { client_name: 'Busy', scope: 'api:read', token_requests_per_minute: 40 },
  })
  await server.parts.settings.set('tokenRequestsPerMinute', '3', operator)
  try {
    const busy = { Authorization: basic('busy', webSecret) }
    const answers = await repeat(45, () => machineToken(busy))
    expect([count(answers, 200), count(answers, 429)]).toEqual([40, 5])
    const others = await repeat(5, () => machineToken())
    expect([count(others, 200), count(others, 429)]).toEqual([3, 2])
  } finally {
    await server.parts.settings.set('tokenRequestsPerMinute', undefined, operator)
  }
})

test('a public client is counted by grant: one user does not use up the limit of another', async () => {
  await server.parts.settings.set('rateLimitPercent', '10', operator)
  try {
    const people = await Promise.all(
      [1, 2].map(async () => {
        const rp = createRelyingParty(server)
        const redirect_uri = 'com.example.app:/callback'
        const { code } = await rp.authorize({ client_id: 'native', redirect_uri, scope: 'openid offline_access' })
        return { code: code!, redirect_uri, verifier: rp.verifier }
      }),
    )
    const [one, other] = people as [(typeof people)[0], (typeof people)[0]]
    const redeem = ({ code, redirect_uri, verifier }: typeof one) =>
      send('/token', {
        grant_type: 'authorization_code',
        client_id: 'native',
        code,
        redirect_uri,
        code_verifier: verifier,
      })
    const refresh = (token: string) =>
      send('/token', { grant_type: 'refresh_token', client_id: 'native', refresh_token: token })
    let { body } = await redeem(one)
    for (let index = 0; index < 5; index += 1) body = (await refresh(body.refresh_token!)).body
    const refused = await refresh(body.refresh_token!)
    expect([refused.status, ...numbers(refused).slice(0, 2)]).toEqual([429, 6, 0])
    expect((await redeem(other)).status).toBe(200)
    // A refused request has used up nothing and ended nothing.
    server.clock.advance(minute)
    expect((await refresh(body.refresh_token!)).status).toBe(200)
  } finally {
    await server.parts.settings.set('rateLimitPercent', undefined, operator)
  }
})

test('PAR, revocation, introspection and userinfo report their limits and enforce them', async () => {
  const rp = createRelyingParty(server)
  const tokens = await rp.signIn({ scope: 'openid' })
  const web = { Authorization: basic('web', webSecret) }
  const par = () =>
    send(
      '/par',
      {
        client_id: 'web',
        response_type: 'code',
        scope: 'openid',
        redirect_uri: callback,
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256',
      },
      web,
    )
  const introspect = () => send('/introspect', { token: tokens.access_token }, web)
  const revoke = () => send('/revoke', { token: 'x'.repeat(43) }, web)
  const userinfo = () => send('/userinfo', {}, { Authorization: `Bearer ${tokens.access_token}` })
  expect([(await par()).status, ...numbers(await par())]).toEqual([201, 3000, 2998, 1])
  expect((await introspect()).headers.get('X-RateLimit-Limit')).toBeNull()
  expect([(await revoke()).status, ...numbers(await revoke())]).toEqual([200, 3000, 2998, 1])
  expect([(await userinfo()).status, ...numbers(await userinfo())]).toEqual([200, 300, 298, 1])
  server.clock.advance(minute)
  await server.parts.settings.set('tokenRequestsPerMinute', '3', operator)
  try {
    for (const [ask, most] of [
      [par, 3],
      [revoke, 3],
    ] as const) {
      const answers = await repeat(most + 2, ask)
      expect(count(answers, 429)).toBe(2)
      expect(answers.at(-1)!.body).toMatchObject({ error: 'temporarily_unavailable', code: 'too_many_requests' })
    }
    expect(count(await repeat(305, userinfo), 429)).toBeGreaterThan(3)
    const { n } = (await server.database.knex('artifact').where({ model: 11 }).count('* as n').first()) as { n: number }
    expect(n).toBe(5)
  } finally {
    await server.parts.settings.set('tokenRequestsPerMinute', undefined, operator)
  }
})

test('twenty failed authentications of a client lock it at that IP address only', async () => {
  const wrong = { Authorization: basic('machine', 'wrong'.repeat(10)) }
  // A replica with an old secret does not count as guessing.
  for (let index = 0; index < 30; index += 1) expect((await machineToken(wrong)).status).toBe(401)
  expect((await machineToken()).status).toBe(200)
  server.clock.advance(10 * minute)
  const answers: Answer[] = []
  for (let index = 0; index < 21; index += 1) {
    answers.push(await machineToken({ Authorization: basic('machine', `guess ${index}`.repeat(10)) }))
  }
  expect(answers.map(({ status }) => status)).toEqual([...Array(20).fill(401), 429])
  expect(answers[0]!.headers.get('X-RateLimit-Limit')).toBe('20')
  // From here not even the right secret is checked, in any form: an attacker never learns which one
  // it was.
  expect((await machineToken()).status).toBe(429)
  expect(
    (await send('/token', { grant_type: 'client_credentials', client_id: 'machine', client_secret: webSecret })).status,
  ).toBe(429)
  expect((await send('/introspect', { token: 'x' }, machine)).status).toBe(429)
  // Another client from here, and this client from another network, are served.
  expect((await send('/introspect', { token: 'x' }, { Authorization: basic('web', webSecret) })).status).toBe(200)
  network += 100
  expect((await machineToken()).status).toBe(200)
  // An attacker in another network gets only 429 from the first try on.
  expect((await machineToken(wrong)).status).toBe(429)
  expect((await machineToken()).status).toBe(200)
  network -= 100
  server.clock.advance(2 * minute)
  expect((await machineToken()).status).toBe(200)
})

test('two hundred failures of many clients lock the IP address', async () => {
  const answers: Answer[] = []
  for (let index = 0; index < 202; index += 1)
    answers.push(await machineToken({ Authorization: basic(`no-such-${index}`, 'x') }))
  expect([count(answers, 401), count(answers, 429)]).toEqual([200, 2])
  expect((await machineToken()).status).toBe(429)
})

test('a preflight is not counted, and scripts may read the rate limit headers', async () => {
  const origin = 'https://app.example'
  const preflight = await fetch(`${server.issuer}/token`, {
    method: 'OPTIONS',
    headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
  })
  expect(preflight.headers.get('X-RateLimit-Limit')).toBeNull()
  const answer = await send(
    '/token',
    { grant_type: 'authorization_code', code: 'x' },
    { Authorization: basic('web', webSecret), Origin: origin },
  )
  expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(origin)
  expect(answer.headers.get('Access-Control-Expose-Headers')).toContain(
    'X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, Retry-After',
  )
})

test('the metrics count refusals by policy and by what was counted', async () => {
  const metrics = await server.parts.metrics.metrics()
  expect(metrics).toMatch(/latchkey_rate_limited_total\{policy="client_credentials",by="identifier"\} \d+/)
  expect(metrics).toMatch(/latchkey_rate_limited_total\{policy="client_authentication",by="address"\} \d+/)
})

test('the sweep removes the counters that no longer limit, and no others', async () => {
  await machineToken()
  const { knex } = server.database
  const rows = async () => Number((await knex('rate_limit').count('* as n').first())?.n)
  const before = await rows()
  expect(before).toBeGreaterThan(2)
  await server.parts.limits.sweep()
  const living = await rows()
  expect(living).toBeGreaterThan(0)
  expect(living).toBeLessThan(before)
  server.clock.advance(2 * minute)
  await server.parts.limits.sweep()
  expect(await rows()).toBe(0)
})
