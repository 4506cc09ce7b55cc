/** A wrong start says what to do and changes nothing. A stop waits for the work in progress. */
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import path from 'node:path'
import { createTestDatabase } from '../support/database.ts'
import { createTestFolder } from '../support/folders.ts'
import type { StartedProcess } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { says, sentence } from '../support/sentences.ts'
import { waitFor } from '../support/wait.ts'
import { createDemo } from './demo.ts'

const masterKey = (byte: string) => `${byte}f0`.repeat(16)

test('every problem of a production configuration is reported at once, with exit code 78 and no open port', async () => {
  const env = {
    NODE_ENV: 'production',
    ISSUER: 'http://login.example/path/',
    MASTER_KEY: 'short',
    TRUST_PROXY: 'everybody',
    DATABSE_URL: 'x',
  }
  const { servers, close } = await startServers(1, { env, isReadyAwaited: false })
  const [server] = servers as [StartedProcess]
  expect(await server.exited).toMatchObject({ code: 78 })
  for (const word of ['ISSUER', 'https', 'MASTER_KEY', 'TRUST_PROXY', 'DATABASE_URL', 'DATABSE_URL'])
    expect(server.output()).toContain(word)
  await expect(fetch(`${server.url}/health/live`)).rejects.toThrow()
  await close()
})

test('production requires ISSUER, DATABASE_URL and MASTER_KEY', async () => {
  const { servers, close } = await startServers(1, {
    env: { NODE_ENV: 'production', ISSUER: '' },
    isReadyAwaited: false,
  })
  const [server] = servers as [StartedProcess]
  expect(await server.exited).toMatchObject({ code: 78 })
  for (const word of ['ISSUER', 'DATABASE_URL', 'MASTER_KEY'])
    expect(server.output()).toMatch(new RegExp(`^- .*${word}`, 'm'))
  await close()
})

test('a wrong master key stops the start with a message and changes nothing', async () => {
  const database = await createTestDatabase({ isEmpty: true })
  const first = await startServers(1, { databaseUrl: database.url, env: { MASTER_KEY: masterKey('11') } })
  await first.close()
  // Like a newer version of the program: one migration is missing.
  const { knex } = database.database
  await knex('schema_migration').where({ name: '0008_consent' }).delete()
  await knex.raw('DROP TABLE consent')
  const content = () =>
    Promise.all(['signing_key', 'root_secret', 'schema_migration'].map((table) => knex(table).select()))
  const before = await content()

  const { servers, close } = await startServers(1, {
    databaseUrl: database.url,
    env: { MASTER_KEY: masterKey('22') },
    isReadyAwaited: false,
  })
  const [server] = servers as [StartedProcess]
  expect(await server.exited).toMatchObject({ code: 78 })
  expect(server.output()).toContain(sentence('server.startRefused', { sentence: sentence('keys.wrong_master_key') }))
  expect(await content()).toEqual(before)
  await close()
  const again = await startServers(1, { databaseUrl: database.url, env: { MASTER_KEY: masterKey('11') } })
  await again.close()
  await database.close()
})

test('a port in use is reported in a message, with exit code 1', async () => {
  const database = await createTestDatabase({ isEmpty: true })
  const key = { MASTER_KEY: masterKey('33') }
  const first = await startServers(1, { databaseUrl: database.url, env: key })
  const port = new URL(first.issuer).port
  const second = await startServers(1, {
    databaseUrl: database.url,
    env: { ...key, PORT: port },
    isReadyAwaited: false,
  })
  const [server] = second.servers as [StartedProcess]
  expect(await server.exited).toMatchObject({ code: 1 })
  const taken = sentence('errors.address_taken', { port, host: '127.0.0.1', variable: 'PORT' })
  expect(server.output().split('\n')).toContain(sentence('server.startRefused', { sentence: taken }))
  expect((await fetch(`${first.issuer}/health/ready`)).status).toBe(200)
  await second.close()
  await first.close()
  await database.close()
})

test.each([
  ['nobody listens', 'postgres://u:hunter2@127.0.0.1:1/x', /connect ECONNREFUSED 127\.0\.0\.1:1/],
  ['the name is unknown', 'postgres://u:hunter2@nowhere.invalid/x?sslmode=disable', /getaddrinfo .*nowhere\.invalid/],
])('an unreachable database is reported without its password: %s', async (_, databaseUrl, reason) => {
  const { servers, close } = await startServers(1, { databaseUrl, isReadyAwaited: false })
  const [server] = servers as [StartedProcess]
  expect(await server.exited).toMatchObject({ code: 1 })
  expect(server.output()).toMatch(says('server.databaseUnreachable', { reason }))
  expect(server.output()).not.toContain('hunter2')
  await close()
})

test('an unexpected failure also ends with a message', async () => {
  const folder = createTestFolder()
  mkdirSync(path.join(folder, 'postgres'))
  writeFileSync(path.join(folder, 'postgres', 'somebody-elses'), '')
  const { servers, close } = await startServers(1, { env: { DATA_FOLDER: folder }, isReadyAwaited: false })
  const [server] = servers as [StartedProcess]
  expect(await server.exited).toMatchObject({ code: 1 })
  expect(server.output()).toMatch(says('server.startRefused', { sentence: /.*postgres/ }))
  await close()
})

test('without MIGRATE_AT_START a start with pending migrations is refused', async () => {
  const database = await createTestDatabase({ isEmpty: true })
  const env = { MIGRATE_AT_START: 'false' }
  const { servers, close } = await startServers(1, { databaseUrl: database.url, env, isReadyAwaited: false })
  const [server] = servers as [StartedProcess]
  expect(await server.exited).toMatchObject({ code: 1 })
  expect(server.output()).toMatch(says('errors.migrations_pending'))
  await close()
  await database.close()
})

test('after SIGTERM a server finishes the request in flight, accepts no other, and exits with 0', async () => {
  const database = await createTestDatabase({ isEmpty: true })
  const running = await startServers(1, { databaseUrl: database.url, env: { NODE_ENV: 'development' } })
  const [server] = running.servers as [StartedProcess]
  const demo = createDemo(running)
  expect((await demo.machineToken(server)).status).toBe(200)

  const body = 'grant_type=client_credentials'
  const authorization = demo.rp.basic('demo-machine', 'demo-machine-secret-for-development-only')
  const head = `POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\nAuthorization: ${authorization}\r\n\r\n`
  let answer = ''
  const socket = connect(Number(new URL(server.url).port), 'localhost')
  socket.on('data', (chunk) => (answer += String(chunk)))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await new Promise<void>((resolve) => socket.write(head + body.slice(0, 5), () => resolve()))
  // The server has read the head once it answers a later request.
  await fetch(`${server.url}/health/live`)
  const ended = server.kill('SIGTERM')
  await expect(
    (async () => {
      for (;;) await fetch(`${server.url}/health/live`, { headers: { Connection: 'close' } })
    })(),
  ).rejects.toThrow()
  socket.write(body.slice(5))
  await closed
  expect(answer).toMatch(/^HTTP\/1\.1 200/)
  expect(await ended).toMatchObject({ code: 0 })
  await running.close()
  await database.close()
})

test('after SIGTERM with a delay a server is not ready, answers with Connection: close, and then stops', async () => {
  const database = await createTestDatabase({ isEmpty: true })
  const env = { NODE_ENV: 'development', SHUTDOWN_DELAY_SECONDS: '2' }
  const running = await startServers(1, { databaseUrl: database.url, env })
  const [server] = running.servers as [StartedProcess]
  const ask = async () => {
    const answer = await fetch(`${server.url}/health/ready`)
    return { status: answer.status, connection: answer.headers.get('Connection'), body: await answer.json() }
  }
  expect(await ask()).toMatchObject({ status: 200, connection: 'keep-alive', body: { checks: { server: true } } })
  const ended = server.kill('SIGTERM')
  const told = await waitFor(async () => {
    const answer = await ask()
    return answer.status === 503 && answer
  })
  expect(told).toMatchObject({
    connection: 'close',
    body: { checks: { server: false }, reasons: { server: 'stopping' } },
  })
  const other = await fetch(`${server.url}/jwks`)
  expect([other.status, other.headers.get('Connection')]).toEqual([200, 'close'])
  expect(await ended).toMatchObject({ code: 0 })
  await running.close()
  await database.close()
})

describe('the embedded Postgres', () => {
  const folder = createTestFolder()
  const data = path.join(folder, 'data')
  const postmaster = path.join(data, 'postgres', 'postmaster.pid')

  test('logs its version at the start, and is stopped by a failed start and by a signal', async () => {
    const env = { NODE_ENV: 'development', DATA_FOLDER: data, MASTER_KEY: masterKey('44') }
    const running = await startServers(1, { env })
    const [server] = running.servers as [StartedProcess]
    expect(server.output()).toMatch(/"version":"18\.\d+".*"releases":\d+/)
    const port = new URL(running.issuer).port
    expect(await server.kill('SIGTERM')).toMatchObject({ code: 0 })
    expect(existsSync(postmaster)).toBe(false)

    const wrong = await startServers(1, { env: { ...env, MASTER_KEY: masterKey('55') }, isReadyAwaited: false })
    expect(await wrong.servers[0]!.exited).toMatchObject({ code: 78 })
    expect(existsSync(postmaster)).toBe(false)

    const taken = createServer().listen(Number(port), '127.0.0.1')
    await once(taken, 'listening')
    const late = await startServers(1, { env: { ...env, PORT: port }, isReadyAwaited: false })
    expect(await late.servers[0]!.exited).toMatchObject({ code: 1 })
    expect(existsSync(postmaster)).toBe(false)
    taken.close()

    const interrupted = await startServers(1, { env, isReadyAwaited: false })
    await waitFor(() => existsSync(postmaster))
    expect(await interrupted.servers[0]!.kill('SIGTERM')).toMatchObject({ code: 0 })
    expect(existsSync(postmaster)).toBe(false)
    for (const { close } of [running, wrong, late, interrupted]) await close()
  })
})
