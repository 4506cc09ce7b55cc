/** Servers are restarted one after another behind HAProxy under load, and no request fails. */
import { Agent, request } from 'node:http'
import { createTestDatabase } from '../support/database.ts'
import { startHaProxy } from '../support/haproxy.ts'
import { startServers } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { waitFor } from '../support/wait.ts'

const clients = 4
const agent = new Agent({ keepAlive: true, maxSockets: clients })
const basic = `Basic ${Buffer.from('demo-machine:demo-machine-secret-for-development-only').toString('base64')}`

/** One machine's token, over a connection that is kept; its status, or the code of what broke. */
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
  test('a rolling restart under load fails no request', async () => {
    const database = await createTestDatabase()
    const env = { NODE_ENV: 'development', SHUTDOWN_DELAY_SECONDS: '3', MASTER_KEY: '62f0'.repeat(16) }
    const running = await startServers(2, { databaseUrl: database.url, env, timeoutMs: 60_000 })
    const proxy = await startHaProxy(running.servers.map(({ url }) => Number(new URL(url).port)))
    const port = Number(new URL(proxy.url).port)
    const answers = new Map<number | string, number>()
    let isOver = false
    const load = Array.from({ length: clients }, async () => {
      while (!isOver) {
        const answer = await askForToken(port)
        answers.set(answer, (answers.get(answer) ?? 0) + 1)
      }
    })
    for (const server of running.servers) {
      expect(await server.kill('SIGTERM')).toMatchObject({ code: 0 })
      await server.restart()
      await waitFor(async () => (await proxy.countUp()) === 2, { timeoutMs: 20_000, what: 'both servers up' })
    }
    isOver = true
    await Promise.all(load)
    expect([...answers.keys()]).toEqual([200])
    expect(answers.get(200)).toBeGreaterThan(100)
    agent.destroy()
    await proxy.close()
    await running.close()
    await database.close()
  }, 180_000)
})
