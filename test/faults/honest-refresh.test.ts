/**
 * Refresh in a bad network: clients lose one answer in ten and repeat, and none is logged out. A
 * token used from two places after the window always ends its family.
 */
import { Agent, request } from 'node:http'
import type { Servers, StartedProcess } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { createDemo } from './demo.ts'
import type { RunningServers } from './stores.ts'
import { openOnEmbedded, openOnPostgresWithRedis } from './stores.ts'
import { startSwallowingProxy } from './swallowing-proxy.ts'

const clientCount = 200
const rounds = 4
const atOnce = 20
const everyTenth = 10
/**
 * The time in milliseconds after which a client repeats: none, as a retrying library does, or a
 * timeout of its own.
 */
const waits = [0, 15_000, 25_000]

type Refreshed = { status: number; refreshToken: string | undefined }

const agent = new Agent({ keepAlive: false })
const basic = `Basic ${Buffer.from('demo-web:demo-web-secret-for-development-only').toString('base64')}`

/** One refresh over its own connection; undefined when the connection closed without an answer. */
const refreshAt = (port: number, token: string): Promise<Refreshed | undefined> =>
  new Promise((resolve, reject) => {
    const headers = { Authorization: basic, 'Content-Type': 'application/x-www-form-urlencoded' }
    const sent = request({ port, host: '127.0.0.1', path: '/token', method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as { refresh_token?: string }
        resolve({ status: response.statusCode ?? 0, refreshToken: body.refresh_token })
      })
    })
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') resolve(undefined)
      else reject(error)
    })
    sent.end(new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }).toString())
  })

/** Runs `work` for every item, `atOnce` of them at the same time. */
async function forEach<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  let next = 0
  const run = async () => {
    while (next < items.length) {
      const index = next++
      await work(items[index]!, index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, run))
}

function suite(open: () => Promise<RunningServers>) {
  let running: RunningServers
  let servers: Servers
  beforeAll(async () => {
    running = await open()
    servers = running.servers
  })
  afterAll(() => running?.close())

  test(`${clientCount} clients behind a network that loses one response in ten: no client is logged out`, async () => {
    const demo = createDemo(servers)
    const [first] = servers.servers as [StartedProcess]
    const targets = servers.servers.map(({ url }) => Number(new URL(url).port))
    const proxy = await startSwallowingProxy({ targets, isSwallowed: (number) => number % everyTenth === 3 })
    const tokens: string[] = []
    await demo.code()
    await forEach(Array(clientCount).fill(0), async (_, index) => {
      tokens[index] = (await demo.exchange(first, await demo.code())).body.refresh_token
    })

    const loggedOut: number[] = []
    let repeats = 0
    // Until the client has an answer, because the answer to a repeat may be lost too.
    async function advance(client: number): Promise<boolean> {
      const answer = await refreshAt(proxy.port, tokens[client]!)
      if (!answer) return false
      if (answer.status === 200 && answer.refreshToken) tokens[client] = answer.refreshToken
      else loggedOut.push(client)
      return true
    }
    async function repeat(client: number): Promise<void> {
      repeats += 1
      if (!(await advance(client))) await repeat(client)
    }

    for (let round = 0; round < rounds; round += 1) {
      const waiting: number[][] = waits.map(() => [])
      const began = performance.now()
      let advancedMs = 0
      await forEach(tokens, async (_, client) => {
        if (await advance(client)) return
        const kind = (client + round) % waits.length
        if (kind === 0) await repeat(client)
        else waiting[kind]!.push(client)
      })
      for (const [kind, clients] of waiting.entries()) {
        // The time that the requests have taken is a part of the wait.
        const moreMs = Math.max(0, Math.round(waits[kind]! - advancedMs - (performance.now() - began)))
        servers.advanceClock(moreMs)
        advancedMs += moreMs
        await forEach(clients, repeat)
      }
      servers.advanceClock(60_000)
    }

    expect(loggedOut).toEqual([])
    expect(proxy.swallowed()).toBeGreaterThan((clientCount * rounds) / everyTenth - 1)
    expect(repeats).toBe(proxy.swallowed())
    // Each client is still logged in: its token is the active one of its family.
    const alive: number[] = []
    await forEach(tokens, async (token, client) => {
      if ((await demo.refresh(servers.servers[client % 2]!, token)).status === 200) alive.push(client)
    })
    expect(alive).toHaveLength(clientCount)
    await proxy.close()
  })

  test('a token that is used from two places beyond the window always ends the family, whichever request is second and on whichever process', async () => {
    const demo = createDemo(servers)
    const families = 24
    const stolen: { token: string; current: string }[] = []
    await demo.code()
    await forEach(Array(families).fill(0), async (_, index) => {
      const { refresh_token: token } = (await demo.exchange(servers.servers[index % 2]!, await demo.code())).body
      const turned = await demo.refresh(servers.servers[(index >> 1) % 2]!, token)
      expect(turned.status).toBe(200)
      // Half of the attackers come within the window and share the successor, and then one side
      // rotates it.
      if (index % 4 < 2) stolen[index] = { token, current: turned.body.refresh_token }
      else {
        const shared = (await demo.refresh(servers.servers[(index + 1) % 2]!, token)).body.refresh_token
        expect(shared).toBe(turned.body.refresh_token)
        const ahead = await demo.refresh(servers.servers[index % 2]!, shared)
        stolen[index] = { token: shared, current: ahead.body.refresh_token }
      }
    })
    servers.advanceClock(30_001)
    await forEach(stolen, async ({ token, current }, index) => {
      const [here, there] = [servers.servers[index % 2]!, servers.servers[(index + 1) % 2]!]
      expect((await demo.refresh(here, token)).body).toMatchObject({ error: 'invalid_grant' })
      expect((await demo.refresh(there, current)).body).toMatchObject({ error: 'invalid_grant' })
    })
  })
}

describe('on the embedded Postgres of the tests', () => suite(() => openOnEmbedded(2)))
describeWith(['postgres', 'redis-server'], 'on a Postgres server with Redis', () =>
  suite(() => openOnPostgresWithRedis(3)),
)
