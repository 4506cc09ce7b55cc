/**
 * Debian's PgBouncer between the server and Postgres: detected at start, and used without named
 * statements and settings.
 */
import pg from 'pg'
import { findPooling } from '../../src/database/pooler.ts'
import type { PgBouncer } from '../support/pgbouncer.ts'
import { startPgBouncer } from '../support/pgbouncer.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import type { StartedProcess } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { sentence } from '../support/sentences.ts'
import { waitFor } from '../support/wait.ts'
import { createDemo } from './demo.ts'

// Fewer connections to Postgres than simultaneous clients, so that the connection behind a client
// changes often.
const poolSize = 3
const atOnce = 24
const rounds = 8
const env = { NODE_ENV: 'development', MASTER_KEY: '51f0'.repeat(16) }

describeWith(['postgres', 'pgbouncer'], 'behind PgBouncer', () => {
  let postgres: PostgresServer
  let transactions: PgBouncer
  let sessions: PgBouncer
  beforeAll(async () => {
    postgres = await startPostgresServer({ fsync: 'off' })
    const server = postgres.url()
    transactions = await startPgBouncer({ server, mode: 'transaction', poolSize })
    sessions = await startPgBouncer({ server, mode: 'session', poolSize: 20 })
  })
  afterAll(async () => {
    await transactions?.close()
    await sessions?.close()
    await postgres?.close()
  })

  test('the connection to Postgres is identified: no pooler, session mode, transaction mode', async () => {
    const direct = postgres.url()
    const [session, transaction] = [sessions.url('postgres'), transactions.url('postgres')]
    expect(await findPooling({ url: direct })).toEqual({ isPooled: false, isDirectPooled: false })
    expect(await findPooling({ url: session })).toEqual({ isPooled: true, isDirectPooled: true })
    expect(await findPooling({ url: transaction, directUrl: direct })).toEqual({
      isPooled: true,
      isDirectPooled: false,
    })
    for (const [addresses, variable] of [
      [{ url: transaction }, 'DATABASE_URL'],
      [{ url: session, directUrl: transaction }, 'DATABASE_DIRECT_URL'],
    ] as const)
      await expect(findPooling(addresses)).rejects.toMatchObject({
        code: 'database_direct_url_pooled',
        params: { variable },
      })
  })

  test('in transaction mode without a direct URL the start is refused, and the message names the variable', async () => {
    await postgres.createDatabase('refused')
    const { servers, close } = await startServers(1, {
      databaseUrl: transactions.url('refused'),
      isReadyAwaited: false,
    })
    const [server] = servers as [StartedProcess]
    expect(await server.exited).toMatchObject({ code: 78 })
    const pooled = sentence('errors.database_direct_url_pooled', { variable: 'DATABASE_URL' })
    expect(server.output()).toContain(sentence('server.startRefused', { sentence: pooled }))
    await close()
  })

  test('in transaction mode concurrent requests succeed, and no setting or prepared statement stays on a connection', async () => {
    const direct = await postgres.createDatabase('pooled')
    const url = transactions.url('pooled')
    const running = await startServers(1, {
      databaseUrl: url,
      env: { ...env, DATABASE_DIRECT_URL: direct },
    })
    const [server] = running.servers as [StartedProcess]
    const demo = createDemo(running)
    const { body: first } = await demo.exchange(server, await demo.code())
    expect(first.token_type).toBe('Bearer')
    const { body: second } = await demo.refresh(server, first.refresh_token)
    for (let round = 0; round < rounds; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: atOnce }, async (_, index) => {
          if (index % 3 === 0) return (await demo.machineToken(server)).status
          if (index % 3 === 1) return (await demo.userinfo(server, second.access_token)).status
          return (await demo.introspect(server, second.access_token)).status
        }),
      )
      expect(answers).toEqual(answers.map(() => 200))
    }
    // A query on every connection that the server has used, by a client that shares them.
    const strangers = Array.from({ length: poolSize }, () => new pg.Client({ connectionString: url }))
    await Promise.all(strangers.map((stranger) => stranger.connect()))
    await Promise.all(strangers.map((stranger) => stranger.query('BEGIN')))
    for (const stranger of strangers) {
      const settings = "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> 'application_name'"
      const { rows } = await stranger.query(`${settings} AND name NOT IN ('client_encoding', 'DateStyle', 'TimeZone')`)
      expect(rows).toEqual([])
      expect((await stranger.query('SELECT name FROM pg_prepared_statements')).rows).toEqual([])
    }
    await Promise.all(strangers.map((stranger) => stranger.end()))
    expect(server.output()).toContain('"isPooled":true')
    await running.close()
  })

  test('in session mode the server works without a direct URL', async () => {
    const running = await startServers(1, {
      databaseUrl: sessions.url('pooled'),
      env: { ...env, DATABASE_POOL_SIZE: '4' },
    })
    const [server] = running.servers as [StartedProcess]
    const demo = createDemo(running)
    await waitFor(async () => (await demo.machineToken(server)).status === 200)
    await running.close()
  })
})
