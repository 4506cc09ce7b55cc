/**
 * An end while codes are issued continuously at two processes, one of which receives no
 * notifications. It takes effect everywhere at once.
 */
import pg from 'pg'
import { latchkey } from '../cli/command-line.ts'
import { createBrowser } from '../support/browser.ts'
import { callback, createRelyingParty, testPassword, webSecret } from '../support/latchkey.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import type { Servers } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { waitFor } from '../support/wait.ts'
import type { StallingProxy } from './stalling-proxy.ts'
import { startStallingProxy } from './stalling-proxy.ts'

const browsersEach = 3
const refusedEnough = 50

describeWith(['postgres'], 'codes are issued all the time, at two processes', () => {
  let postgres: PostgresServer
  let database: pg.Client
  let listening: StallingProxy
  let both: Servers[] = []
  let env: Record<string, string>

  const run = async (args: readonly string[], stdin = '') => {
    const { code, stderr } = await latchkey([...args, '--json'], { env, stdin })
    expect([code, stderr]).toEqual([0, ''])
  }

  beforeAll(async () => {
    postgres = await startPostgresServer()
    const url = await postgres.createDatabase('latchkey')
    database = new pg.Client({ connectionString: url })
    await database.connect()
    env = { NODE_ENV: 'test', DATABASE_URL: url, MASTER_KEY: 'ab'.repeat(32) }
    const first = await startServers(1, { databaseUrl: url, env })
    both = [first]
    // The second process listens only through the proxy.
    const direct = new URL(url)
    listening = await startStallingProxy(Number(direct.port))
    direct.port = String(listening.port)
    const other = { ...env, ISSUER: first.issuer, DATABASE_DIRECT_URL: direct.href }
    both.push(await startServers(1, { databaseUrl: url, env: other }))
    await run(['user', 'add', 'alice@example.com', '--email-verified', '--password-stdin'], testPassword)
    const web = ['client', 'add', '--kind', 'web', '--id', 'web', '--name', 'Web', '--redirect-uri', callback]
    await run([...web, '--secret-stdin'], webSecret)
  })
  afterAll(async () => {
    for (const servers of both) await servers.close()
    await listening?.close()
    await database?.end()
    await postgres?.close()
  })

  const rows = async (where: string): Promise<number> => {
    const { rows: found } = await database.query(`SELECT count(*) AS count FROM artifact WHERE ${where}`)
    return Number(found[0].count)
  }

  test.each([
    ['withdrawn consent', ['user', 'withdraw-consent', 'alice@example.com', 'web'], ''],
    ['a new password', ['user', 'set-password', 'alice@example.com', '--password-stdin'], testPassword],
    ['a disabled client', ['client', 'disable', 'web'], ''],
  ])('%s ends the tokens of both processes within a second of the response', async (_, command, stdin) => {
    const rp = createRelyingParty(both[0]!, createBrowser())
    const { code: kept } = await rp.authorize()
    const tokens = (await rp.exchange(kept!)).body
    const authorize = await rp.authorizeUrl()
    const headers = { Cookie: await rp.browser.jar.getCookieString(authorize) }

    const issued: { at: number; code: string }[] = []
    let isOver = false
    let answered = Number.POSITIVE_INFINITY
    /** For each browser, its answers without a code in a row, to requests after the end. */
    const refusedInARow = Array.from({ length: 2 * browsersEach }, () => 0)
    const load = refusedInARow.map(async (_count, index) => {
      const server = both[index % 2]!.servers[0]!
      const url = authorize.replace(both[0]!.issuer, server.url)
      while (!isOver) {
        const sentAt = performance.now()
        const response = await fetch(url, { headers, redirect: 'manual' })
        await response.text()
        const location = new URL(response.headers.get('location') ?? '/', url)
        const code = location.searchParams.get('code')
        if (code) issued.push({ at: performance.now(), code })
        refusedInARow[index] = code || sentAt < answered ? 0 : refusedInARow[index]! + 1
      }
    })
    // More rows than the ending transaction removes itself.
    await waitFor(() => issued.length > 1200)
    listening.stall()
    // The start-up time of a command on a busy machine.
    const start = performance.now()
    await run(['client', 'show', 'web'])
    const before = performance.now()
    await run(command, stdin)
    answered = performance.now()
    // The caches of a process have been read again many times by then.
    await waitFor(() => refusedInARow.every((count) => count >= refusedEnough))
    isOver = true
    await Promise.all(load)
    listening.mend()
    expect(answered - before - (before - start)).toBeLessThan(5_000)
    expect(Math.max(...issued.map(({ at }) => at)) - answered).toBeLessThan(1_000)
    // What was issued is invalid: the code from before the end, and the token.
    expect((await rp.userinfo(tokens.access_token)).status).toBe(401)
    expect((await rp.exchange(issued[0]!.code)).status).toBeGreaterThanOrEqual(400)
    // The job removes the rows.
    await waitFor(async () => (await rows('model = 3')) < 100)
  })
})
