/**
 * Behind HAProxy, configured as docs/deploying.md says: servers restart one after another, or are
 * briefly late.
 */
import { Agent, request } from 'node:http'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import type { HaProxy, ServerState } from '../support/haproxy.ts'
import { startHaProxy } from '../support/haproxy.ts'
import type { Servers } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { waitFor } from '../support/wait.ts'

const clients = 4
const agent = new Agent({ keepAlive: true, maxSockets: clients })
const basic = `Basic ${Buffer.from('demo-machine:demo-machine-secret-for-development-only').toString('base64')}`

/** One machine's token, over a keep-alive connection. Returns the status, or the error code. */
const askForToken = (port: number): Promise<number | string> =>
  new Promise((resolve) => {
    const headers = { Authorization: basic, 'Content-Type': 'application/x-www-form-urlencoded' }
    const sent = request({ port, host: '127.0.0.1', path: '/token', method: 'POST', agent, headers }, (response) => {
      let body = ''
      response.on('data', (chunk) => (body += String(chunk)))
      response.on('error', (error) => resolve(String(error)))
      response.on('end', () => resolve(response.statusCode === 200 ? 200 : `${response.statusCode} ${body}`))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    sent.end('grant_type=client_credentials')
  })

describeWith('haproxy', 'behind HAProxy', () => {
  let database: TestDatabase
  let running: Servers
  let proxy: HaProxy
  beforeAll(async () => {
    database = await createTestDatabase()
    const env = { NODE_ENV: 'development', SHUTDOWN_DELAY_SECONDS: '5', MASTER_KEY: '62f0'.repeat(16) }
    running = await startServers(2, { databaseUrl: database.url, env })
    proxy = await startHaProxy(running.servers.map(({ url }) => Number(new URL(url).port)))
  })
  afterAll(async () => {
    agent.destroy()
    await proxy?.close()
    await running?.close()
    await database?.close()
  })

  /**
   * Clients send requests without a pause until `work` is done. Returns how often each answer came.
   */
  async function underLoad(work: () => Promise<void>): Promise<Map<number | string, number>> {
    const port = Number(new URL(proxy.url).port)
    const answers = new Map<number | string, number>()
    let isOver = false
    const load = Array.from({ length: clients }, async () => {
      while (!isOver) {
        const answer = await askForToken(port)
        answers.set(answer, (answers.get(answer) ?? 0) + 1)
      }
    })
    await work()
    isOver = true
    await Promise.all(load)
    return answers
  }
  const states = (condition: (state: ServerState) => boolean, what: string) =>
    waitFor(async () => (await proxy.look()).every(condition), { what })

  test('a rolling restart under load fails no request', async () => {
    const answers = await underLoad(async () => {
      for (const server of running.servers) {
        expect(await server.kill('SIGTERM')).toMatchObject({ code: 0 })
        await server.restart()
        await states(({ isUp }) => isUp, 'both servers up')
      }
    })
    expect([...answers.keys()]).toEqual([200])
    expect(answers.get(200)).toBeGreaterThan(100)
  })

  test('a server that misses one health check still gets requests', async () => {
    const [before] = await proxy.look()
    const [server] = running.servers
    process.kill(server!.pid, 'SIGSTOP')
    try {
      const isLate = async () => (await proxy.look())[0]!.failedChecks > before!.failedChecks
      await waitFor(isLate, { what: 'a check that failed' })
    } finally {
      process.kill(server!.pid, 'SIGCONT')
    }
    await states(({ isWell }) => isWell, 'both servers well')
    expect((await proxy.look())[0]!.timesDown).toBe(before!.timesDown)
  })
})
