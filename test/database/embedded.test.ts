/** The embedded database of several processes: starting, joining, stopping and crashing. */
import { existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { createDatabase } from '../../src/database/database.ts'
import { startEmbeddedPostgres } from '../../src/database/embedded/index.ts'
import { createLog } from '../../src/log.ts'
import { waitFor } from '../support/wait.ts'
import { createDataPath, endEverything, isRunning, pidOf, startHolder } from './embedded-support.ts'

const log = createLog({ level: 'silent' })

afterEach(endEverything)

test('the first start creates the data folder, and the last process that closes stops Postgres', async () => {
  const folder = createDataPath()
  const { url, close } = await startEmbeddedPostgres({ folder })
  const { knex, close: disconnect } = createDatabase({ url, poolSize: 2, log })
  const { rows } = await knex.raw(
    "SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync",
  )
  expect(rows).toEqual([{ version: expect.any(Number), fsync: 'on' }])
  await disconnect()
  const pid = pidOf(folder)
  expect(await close()).toBe('stopped')
  // The file is removed shortly before the process ends.
  await waitFor(() => !isRunning(folder, pid), { what: 'the end of Postgres' })
  expect(existsSync(path.join(folder, 'postmaster.pid'))).toBe(false)
})

test('concurrent first starts on one data folder all succeed', async () => {
  const folder = createDataPath()
  const holders = [startHolder({ folder }), startHolder({ folder }), startHolder({ folder })]
  const [first, ...others] = await Promise.all(holders.map((holder) => holder.next()))
  expect(first?.url).toEqual(expect.any(String))
  for (const other of others) expect(other).toEqual(first)
  expect(readdirSync(path.dirname(folder)).sort()).toEqual(['postgres', 'postgres.log'])
  const closed = await Promise.all(holders.map((holder) => holder.close()))
  expect(closed.filter((how) => how === 'stopped')).toHaveLength(1)
})

test('the second process joins the running one, which stays until the last process has left', async () => {
  const folder = createDataPath()
  const [server, commandLine] = [startHolder({ folder }), startHolder({ folder })]
  const { url } = await server.next()
  expect(await commandLine.next()).toEqual({ url })
  const pid = pidOf(folder)
  expect(await server.close()).toBe('left running')
  expect(isRunning(folder, pid)).toBe(true)
  expect(await commandLine.close()).toBe('stopped')
  expect(isRunning(folder, pid)).toBe(false)
})

test('a start while the last process closes gets a running database', async () => {
  const folder = createDataPath()
  for (let round = 0; round < 5; round += 1) {
    const accountDeletion = await startEmbeddedPostgres({ folder })
    const [, coming] = await Promise.all([accountDeletion.close(), startEmbeddedPostgres({ folder })])
    const { knex, close } = createDatabase({ url: coming.url, poolSize: 1, log })
    expect((await knex.raw('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await close()
    expect(await coming.close()).toBe('stopped')
  }
})

test('Postgres survives a kill -9 of the server, and the next start uses it', async () => {
  const folder = createDataPath()
  const server = startHolder({ folder })
  const { url } = await server.next()
  const pid = pidOf(folder)
  await server.kill()
  expect(isRunning(folder, pid)).toBe(true)

  const next = startHolder({ folder })
  expect(await next.next()).toEqual({ url })
  expect(pidOf(folder)).toBe(pid)
  expect(await next.close()).toBe('stopped')
  expect(isRunning(folder, pid)).toBe(false)
})

test('after a kill -9 of Postgres every process has it again in seconds at the same URL, and no acknowledged row is lost', async () => {
  const folder = createDataPath()
  const [server, other] = [await startEmbeddedPostgres({ folder }), startHolder({ folder })]
  await other.next()
  const { pool, isHealthy, close } = createDatabase({ url: server.url, poolSize: 4, log })
  await pool.query('CREATE TABLE note (id int PRIMARY KEY)')
  const acknowledged: number[] = []
  let isWriting = true
  const write = async (from: number) => {
    for (let id = from; isWriting; id += 4) {
      await pool.query('INSERT INTO note VALUES ($1)', [id])
      acknowledged.push(id)
    }
  }
  const writers = [0, 1, 2, 3].map((from) => write(from).catch((error) => error))
  await waitFor(() => acknowledged.length > 50)
  const pid = pidOf(folder)
  process.kill(pid, 'SIGKILL')
  for (const error of await Promise.all(writers)) expect(error).toMatchObject({ code: 'database_unavailable' })
  isWriting = false

  await waitFor(() => isHealthy(), { timeoutMs: 8_000 })
  expect(pidOf(folder)).not.toBe(pid)
  const { rows } = await pool.query('SELECT id FROM note')
  const kept = new Set(rows.map((row) => row.id))
  expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
  await close()

  // The other process has its lease again too.
  await waitFor(async () => {
    const { knex, close: disconnect } = createDatabase({ url: server.url, poolSize: 1, log })
    const { rows: leases } = await knex.raw(
      "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 727 AND granted",
    )
    await disconnect()
    return leases.length === 2
  })
  expect(await server.close()).toBe('left running')
  expect(await other.close()).toBe('stopped')
})

test('a Postgres that cannot restart is logged once, and the restart is repeated until it succeeds', async () => {
  const folder = createDataPath()
  const lines: string[] = []
  const reported = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } })
  const { url, close } = await startEmbeddedPostgres({ folder, timeoutMs: 300, log: reported })
  const { isHealthy, close: disconnect } = createDatabase({ url, poolSize: 1, log })
  const control = path.join(folder, 'global', 'pg_control')
  renameSync(control, `${control}.away`)
  process.kill(pidOf(folder), 'SIGKILL')
  await waitFor(() => lines.length > 2)
  renameSync(`${control}.away`, control)
  await waitFor(() => isHealthy())
  await disconnect()
  const told = lines.map((line) => JSON.parse(line))
  expect(told.slice(0, 2)).toMatchObject([
    { level: 'warn', err: { errorCode: 'embedded_database_failed' } },
    { level: 'debug', err: { errorCode: 'embedded_database_failed' } },
  ])
  expect(await close()).toBe('stopped')
})

test('Ctrl-C reaches the server and not its database, which continues while requests drain', async () => {
  const folder = createDataPath()
  const server = startHolder({ folder })
  await server.next()
  const pid = pidOf(folder)
  process.kill(-(server.child.pid ?? 0), 'SIGINT')
  expect(await server.next()).toEqual({ interrupted: true })
  const { url, close } = await startEmbeddedPostgres({ folder })
  const database = createDatabase({ url, poolSize: 1, log })
  expect((await database.knex.raw('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  expect(isRunning(folder, pid)).toBe(true)
  await database.close()
  expect(await close()).toBe('left running')
  expect(await server.close()).toBe('stopped')
})

test('Postgres writes to a log file that only its owner can read, without values of rows or statements', async () => {
  const folder = createDataPath()
  const { url, close } = await startEmbeddedPostgres({ folder })
  const database = createDatabase({ url, poolSize: 1, log })
  await database.knex.raw('CREATE TABLE note (said text PRIMARY KEY)')
  const insert = () => database.knex.raw("INSERT INTO note VALUES ('wonderland tea party')")
  await insert()
  await expect(insert()).rejects.toMatchObject({ code: '23505' })
  await database.close()
  await close()
  const file = `${folder}.log`
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const text = readFileSync(file, 'utf8')
  expect(text).toContain('duplicate key')
  expect(text).not.toContain('wonderland')
})

test('its socket is accessible to its user only, and it listens on no port', async () => {
  const folder = createDataPath()
  const { url, close } = await startEmbeddedPostgres({ folder })
  const host = new URL(url).searchParams.get('host') ?? ''
  expect(statSync(path.join(host, '.s.PGSQL.5432')).mode & 0o077).toBe(0)
  expect(statSync(host).mode & 0o077).toBe(0)
  const database = createDatabase({ url, poolSize: 1, log })
  expect((await database.knex.raw('SHOW listen_addresses')).rows).toEqual([{ listen_addresses: '' }])
  await database.close()
  await close()
})

test('without sockets it is reached on loopback, with a password', async () => {
  const folder = createDataPath()
  const { url, close } = await startEmbeddedPostgres({ folder, transport: 'tcp' })
  const { hostname, password } = new URL(url)
  expect(hostname).toBe('127.0.0.1')
  const database = createDatabase({ url, poolSize: 1, log })
  expect((await database.knex.raw('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  const guessed = createDatabase({ url: url.replace(password, 'guess'), poolSize: 1, log })
  await expect(guessed.knex.raw('SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  await Promise.all([guessed.close(), database.close()])

  // After a crash it starts again at the same URL.
  process.kill(pidOf(folder), 'SIGKILL')
  const again = createDatabase({ url, poolSize: 1, log })
  await waitFor(() => again.isHealthy())
  await again.close()
  expect(await close()).toBe('stopped')
})
