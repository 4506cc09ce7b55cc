/**
 * A server that is cut off from the database stops signing within its lease and reports that it is
 * unhealthy. It continues with the right key when the connection works again.
 */
import { latchkey } from '../cli/command-line.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import type { Servers, StartedProcess } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { waitFor } from '../support/wait.ts'
import { createDemo, demoApi } from './demo.ts'
import type { StallingProxy } from './stalling-proxy.ts'
import { startStallingProxy } from './stalling-proxy.ts'

const masterKey = '5c'.repeat(16) + '6d'.repeat(16)
/** The lease of these servers; the production lease is a constant of the key ring. */
const leaseMs = 3_000
const env = { NODE_ENV: 'development', MASTER_KEY: masterKey, LATCHKEY_TEST_LEASE_MS: String(leaseMs) }
const kidOf = (jwt: string): string => JSON.parse(Buffer.from(jwt.split('.')[0]!, 'base64url').toString()).kid

describeWith('postgres', 'on a Postgres server', () => {
  let postgres: PostgresServer
  let proxy: StallingProxy
  let healthy: Servers
  let cut: Servers
  let databaseUrl: string
  beforeAll(async () => {
    postgres = await startPostgresServer()
    databaseUrl = await postgres.createDatabase('latchkey')
    healthy = await startServers(1, { databaseUrl, env })
    proxy = await startStallingProxy(Number(new URL(databaseUrl).port))
    const through = new URL(databaseUrl)
    through.port = String(proxy.port)
    cut = await startServers(1, { databaseUrl: through.href, env: { ...env, ISSUER: healthy.issuer } })
  })
  afterAll(async () => {
    await cut?.close()
    await healthy?.close()
    await proxy?.close()
    await postgres?.close()
  })

  const machineToken = (at: StartedProcess) =>
    createDemo(healthy).machineToken(at, { resource: demoApi, scope: 'api:read' })
  /**
   * The key that signs there. A busy machine may read the ring too late for so short a lease; the
   * answer is then a 503, and the request is repeated.
   */
  const signingKid = (at: StartedProcess): Promise<string> =>
    waitFor(async () => {
      const { status, body } = await machineToken(at)
      return status === 200 && kidOf(body.access_token)
    })
  const ready = async ({ url }: StartedProcess) => {
    const response = await fetch(`${url}/health/ready`)
    return { status: response.status, body: (await response.json()) as { checks: Record<string, boolean> } }
  }

  test.each(['stall', 'reset'] as const)('cut off by a %s', async (how) => {
    const [at] = cut.servers as [StartedProcess]
    const [other] = healthy.servers as [StartedProcess]
    const kid = await signingKid(at)
    proxy[how]()
    const cutAt = performance.now()
    const revoked = await latchkey(['keys', 'revoke', kid, '--yes', '--json'], {
      env: { ...env, DATABASE_URL: databaseUrl },
    })
    const successor = revoked.json().changes[1].kid
    expect(await signingKid(other)).toBe(successor)

    // It signs at most until its lease ends, and then refuses.
    let lastSignedMs = 0
    const refusal = await waitFor(
      async () => {
        const sentAt = performance.now()
        const answer = await machineToken(at)
        if (answer.status === 200) lastSignedMs = sentAt - cutAt
        else expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable'])
        return performance.now() - cutAt > 2 * leaseMs && answer
      },
      { what: 'the end of the lease' },
    )
    expect(lastSignedMs).toBeLessThan(leaseMs + 1_000)
    expect(Number(refusal.headers.get('Retry-After'))).toBeGreaterThan(0)
    const unwell = await ready(at)
    expect([unwell.status, unwell.body.checks.keys]).toEqual([503, false])
    await waitFor(async () => (await ready(other)).status === 200, { what: 'the other server, which is well' })

    proxy.mend()
    await waitFor(async () => (await ready(at)).status === 200, { what: 'the recovery' })
    expect(await signingKid(at)).toBe(successor)
    const { keys } = (await (await fetch(`${at.url}/jwks`)).json()) as { keys: { kid: string }[] }
    expect(keys.map((key) => key.kid)).not.toContain(kid)
  })
})
