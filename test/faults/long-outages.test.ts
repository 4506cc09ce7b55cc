/**
 * A store is unreachable for longer than the window, while clients repeat as Retry-After says: no
 * family ends, and an attacker is still detected.
 */

import { startPostgresServer } from '../support/postgres-server.ts'
import type { StartedProcess } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'
import { createDemo } from './demo.ts'

const clientCount = 8
const graceSeconds = 30

async function openAll() {
  const [postgres, redis] = await Promise.all([startPostgresServer(), startRedis()])
  const databaseUrl = await postgres.createDatabase('latchkey')
  const env = { NODE_ENV: 'development', REDIS_URL: redis.url }
  const servers = await startServers(2, { databaseUrl, env })
  const demo = createDemo(servers)
  const at = (index: number) => servers.servers[index % 2] as StartedProcess
  const close = () => servers.close().then(() => Promise.all([postgres.close(), redis.close()]))
  return { postgres, redis, servers, demo, at, close }
}

type Opened = Awaited<ReturnType<typeof openAll>>

describeWith(['postgres', 'redis-server'], 'a store that is away for longer than the window', () => {
  let opened: Opened
  beforeAll(async () => {
    opened = await openAll()
  })
  afterAll(() => opened?.close())

  /**
   * Eight clients refresh before, during and after an outage of `seconds`. The clock moves between
   * their repeats.
   */
  async function prove(seconds: number, goAway: () => unknown, comeBack: () => unknown): Promise<void> {
    const { demo, servers, at } = opened
    const spent: string[] = []
    const tokens: string[] = []
    for (let index = 0; index < clientCount; index += 1) {
      spent[index] = (await demo.exchange(at(index), await demo.code())).body.refresh_token
    }
    await goAway()
    const statuses = new Set<number>()
    const pauseSeconds: number[] = []
    async function repeat(index: number, from: number): Promise<void> {
      // The load balancer may send a client without an answer to either process.
      const { status, headers, body } = await demo.refresh(at(index + from), tokens[index] ?? spent[index]!)
      statuses.add(status)
      if (status === 200) tokens[index] = body.refresh_token
      else pauseSeconds.push(Number(headers.get('Retry-After')))
    }
    const all = (from: number) => Promise.all(spent.map((_, index) => repeat(index, from)))
    for (const part of [0, 1, 2]) {
      await all(part)
      servers.advanceClock((seconds * 1_000) / 3)
    }
    await comeBack()
    const isReady = async () => (await fetch(`${at(0).url}/health/ready`)).status === 200
    await waitFor(isReady, { what: 'the recovery' })
    servers.advanceClock(Math.max(1, ...pauseSeconds) * 1_000)
    await all(1)
    expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
    for (const pause of pauseSeconds) {
      expect(pause).toBeGreaterThanOrEqual(1)
      expect(pause).toBeLessThanOrEqual(graceSeconds / 3)
    }
    expect(Object.keys(tokens)).toHaveLength(clientCount)
    for (const [index, token] of tokens.entries()) expect((await demo.refresh(at(index), token)).status).toBe(200)

    // The window ends: a client with the used token is detected.
    servers.advanceClock(graceSeconds * 1_000 + 1)
    for (const [index, token] of spent.entries()) {
      expect((await demo.refresh(at(index), token)).body).toMatchObject({ error: 'invalid_grant' })
      expect((await demo.refresh(at(index), tokens[index]!)).body).toMatchObject({ error: 'invalid_grant' })
    }
  }

  for (const seconds of [36, 120]) {
    test(`Postgres, frozen for ${seconds} s`, () =>
      prove(
        seconds,
        () => opened.postgres.freeze(),
        () => opened.postgres.thaw(),
      ))
    test(`Redis, killed for ${seconds} s`, () =>
      prove(
        seconds,
        () => opened.redis.kill(),
        () => opened.redis.start(),
      ))
  }
})
