/**
 * Three complete rotations of the signing keys while clients log in, refresh and verify with a JWKS
 * that is cached as long as allowed: no request fails, and every token verifies.
 */
import type { JWTVerifyOptions } from 'jose'
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'
import { createTestClock } from '../support/clock.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import type { Servers, StartedProcess } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'
import { createDemo, demoApi } from './demo.ts'

const hour = 3_600_000
const day = 24 * hour
// Not a divisor of a day, so that every moment of a key falls early, late and in the middle of a
// step.
const stepMs = 5 * hour + 37 * 60_000
/** The longest cache that the announcement of 24 hours allows. */
const jwksCacheSeconds = 86_340
/**
 * 30 days three times, the day before the first, the fortnight after the last, and one more day.
 */
const lastsMs = 106 * day
const clientCount = 6

let base: TestDatabase
let servers: Servers
const clock = createTestClock()
let offsetMs = 0

beforeAll(async () => {
  base = await createTestDatabase()
  const env = { NODE_ENV: 'development', JWKS_CACHE_SECONDS: String(jwksCacheSeconds), LOG_LEVEL: 'warn' }
  servers = await startServers(2, { databaseUrl: base.url, env })
})
afterAll(async () => {
  await servers?.close()
  await base?.close()
})

/** All clocks advance together: this test's and the servers'. */
function advance(ms: number): void {
  offsetMs += ms
  servers.advanceClock(ms)
  tick()
}
const tick = () => clock.set(performance.timeOrigin + performance.now() + offsetMs)

/** Makes the duty due, as time would. Resolves when one of the servers has run it. */
async function advanceRing(): Promise<void> {
  const { knex } = base.database
  const key = { key: 'turn-key-ring' }
  await knex.raw(
    `SELECT FROM graphile_worker.add_job(identifier => 'turn-key-ring', queue_name => 'turn-key-ring', job_key => 'turn-key-ring', run_at => now())`,
  )
  await waitFor(
    async () => {
      const job = await knex('graphile_worker.jobs')
        .where(key)
        .first(knex.raw('run_at > now() AND locked_at IS NULL AS done'))
      return job?.done === true
    },
    { what: 'the turn of the ring' },
  )
}

function createVerifier() {
  let fetches = 0
  const kids = new Set<string>()
  const keys = createRemoteJWKSet(new URL(`${servers.issuer}/jwks`), {
    cacheMaxAge: jwksCacheSeconds * 1000,
    // Never fetched again for an unknown key: the announcement alone must be enough.
    cooldownDuration: Number.MAX_SAFE_INTEGER,
    [customFetch]: (url, options) => {
      fetches += 1
      return fetch(String(url).replace(servers.issuer, servers.servers[fetches % 2]!.url), options as never)
    },
  })
  return {
    fetches: () => fetches,
    kids,
    verify: async (jwt: string, options: JWTVerifyOptions = {}): Promise<void> => {
      const { protectedHeader } = await jwtVerify(jwt, keys, { issuer: servers.issuer, ...options })
      kids.add(`${protectedHeader.alg} ${protectedHeader.kid}`)
    },
  }
}

test('three rotations of each key: no failed request, no unverifiable token', async () => {
  const failures: unknown[] = []
  let requests = 0
  let verified = 0
  const verifiers = [createVerifier(), createVerifier()]
  const verify = async (what: string, jwt: string, options?: JWTVerifyOptions) => {
    for (const verifier of verifiers) {
      verified += 1
      await verifier
        .verify(jwt, options)
        .catch((error) => failures.push([what, new Date().toISOString(), String(error)]))
    }
  }
  const expectOk = <T extends { status: number; body?: unknown }>(what: string, answer: T): T => {
    requests += 1
    if (answer.status !== 200) failures.push([what, new Date().toISOString(), answer.status, answer.body])
    return answer
  }

  type Hint = { jwt: string; at: number }
  const hints: Hint[] = []
  const clients = Array.from({ length: clientCount }, (_, index) => ({
    demo: createDemo(servers),
    at: servers.servers[index % 2] as StartedProcess,
    refreshToken: undefined as string | undefined,
    steps: index,
  }))

  async function act(client: (typeof clients)[number]): Promise<void> {
    const { demo, at } = client
    client.steps += 1
    const isLogin = client.refreshToken === undefined || client.steps % 40 === 0
    const answer = isLogin
      ? expectOk('login', await demo.exchange(at, await demo.code()))
      : expectOk('refresh', await demo.refresh(at, client.refreshToken!))
    client.refreshToken = answer.body.refresh_token
    if (answer.body.id_token) {
      await verify('ID token', answer.body.id_token, { audience: 'demo-web' })
      if (client.steps % 7 === 0) hints.push({ jwt: answer.body.id_token, at: Date.now() })
    }
    const machine = expectOk('machine', await demo.machineToken(at, { resource: demoApi, scope: 'api:read' }))
    if (machine.body.access_token)
      await verify('access token', machine.body.access_token, { audience: demoApi, typ: 'at+jwt' })
  }

  let steps = 0
  for (let passed = 0; passed < lastsMs; passed += stepMs) {
    advance(stepMs)
    steps += 1
    // The rotation happens during the load.
    await Promise.all([advanceRing(), ...clients.map(act)])
    tick()
    while (hints[0] && Date.now() - hints[0].at > 14 * day) hints.shift()
    for (const { jwt, at } of hints) await verify('hint', jwt, { currentDate: new Date(at) })
    const oldest = hints[0]
    if (oldest && steps % 20 === 0) {
      const page = await fetch(`${servers.servers[steps % 2]!.url}/logout?id_token_hint=${oldest.jwt}`)
      await page.text()
      expectOk('hint at logout', { status: page.status })
    }
  }

  expect(failures).toEqual([])
  expect(requests).toBeGreaterThan(steps * clientCount * 2)
  expect(verified).toBeGreaterThan(requests)
  for (const { kids, fetches } of verifiers) {
    const seen = (alg: string) => [...kids].filter((kid) => kid.startsWith(alg)).length
    expect([seen('RS256'), seen('ES256')]).toEqual([4, 4])
    // The JWKS was cached: about one fetch a day.
    expect(fetches()).toBeLessThanOrEqual(lastsMs / day + 1)
  }
  const { keys } = (await (await fetch(`${servers.issuer}/jwks`)).json()) as { keys: { kid: string }[] }
  // Three active keys and three of the last rotation; older ones were removed.
  expect(keys.length).toBeLessThanOrEqual(6)
  for (const server of servers.servers) expect(server.output()).not.toMatch(/"level":[56]0/)
}, 400_000)
