/**
 * Keys are revoked under load: nothing signed by a revoked key is sent afterwards, and no client is
 * logged out.
 */
import { latchkey } from '../cli/command-line.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import type { Servers, StartedProcess } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'
import { createDemo, demoApi } from './demo.ts'

const masterKey = '7e'.repeat(16) + '8f'.repeat(16)
const env = { NODE_ENV: 'development', MASTER_KEY: masterKey }
const rounds = 4
/** From the commit to the last answer in progress. Most of it is the exit of the command line. */
const lateMs = 250

let base: TestDatabase
let servers: Servers
beforeAll(async () => {
  base = await createTestDatabase()
  servers = await startServers(2, { databaseUrl: base.url, env: { ...env, LOG_LEVEL: 'warn' } })
})
afterAll(async () => {
  await servers?.close()
  await base?.close()
})

const run = (...args: string[]) => latchkey([...args, '--json'], { env: { ...env, DATABASE_URL: base.url } })
const kidOf = (jwt: string): string => JSON.parse(Buffer.from(jwt.split('.')[0]!, 'base64url').toString()).kid

test(`active keys are revoked ${rounds} times while clients refresh and machines request tokens`, async () => {
  const wrong: unknown[] = []
  const issued: { kid: string; at: number }[] = []
  let refused = 0
  let isOver = false

  type Answer = { status: number; headers: Headers; body: Record<string, string> }
  /** Returns a final answer; a 503 with Retry-After is tried again. */
  function judge(answer: Answer): Answer | undefined {
    if (answer.status === 200) return answer
    refused += 1
    if (answer.status !== 503 || !(Number(answer.headers.get('Retry-After')) > 0))
      wrong.push([answer.status, answer.body])
    return undefined
  }
  async function machine(at: StartedProcess): Promise<void> {
    const demo = createDemo(servers)
    while (!isOver) {
      const answer = judge(await demo.machineToken(at, { resource: demoApi, scope: 'api:read' }))
      if (answer) issued.push({ kid: kidOf(answer.body.access_token!), at: performance.now() })
    }
  }
  async function refresher(at: StartedProcess): Promise<string> {
    const demo = createDemo(servers)
    let token: string = (await demo.exchange(at, await demo.code())).body.refresh_token
    while (!isOver) {
      const answer = judge(await demo.refresh(at, token))
      if (!answer) continue
      token = answer.body.refresh_token!
      issued.push({ kid: kidOf(answer.body.id_token!), at: performance.now() })
    }
    return token
  }
  const load = Promise.all(servers.servers.flatMap((at) => [machine(at), machine(at)]))
  const refreshing = Promise.all(servers.servers.flatMap((at) => [refresher(at), refresher(at)]))

  const ends = new Map<string, number>()
  for (let round = 0; round < rounds; round += 1) {
    const before = issued.length
    await waitFor(() => issued.length > before + 100, { what: 'a hundred tokens' })
    const { keys } = (await run('keys', 'list')).json() as { keys: { kid: string; algorithm: string; state: string }[] }
    for (const { kid, algorithm, state } of keys) {
      if (state !== 'active' || algorithm === 'EdDSA') continue
      const revoked = await run('keys', 'revoke', kid, '--yes')
      expect(revoked.code).toBe(0)
      ends.set(kid, performance.now())
    }
  }
  isOver = true
  await load
  const tokens = await refreshing

  expect(wrong).toEqual([])
  expect(ends.size).toBe(rounds * 2)
  const late = issued.filter(({ kid, at }) => at > (ends.get(kid) ?? Infinity) + lateMs)
  expect(late).toEqual([])
  expect(new Set(issued.map(({ kid }) => kid)).size).toBeGreaterThanOrEqual(rounds * 2)
  // No client is logged out: each one's token is still the active one of its family.
  const demo = createDemo(servers)
  for (const [index, token] of tokens.entries()) {
    expect((await demo.refresh(servers.servers[index % 2]!, token)).status).toBe(200)
  }
  // Refusals are rare: a request had signed when its key was revoked.
  expect(refused).toBeLessThan(issued.length / 20)
  for (const server of servers.servers) expect(server.output()).not.toMatch(/"level":60/)
})
