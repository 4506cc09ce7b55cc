/** The command line next to a server on one embedded database: the server sees each change. */
import path from 'node:path'
import { createTestFolder } from '../support/folders.ts'
import type { Servers } from '../support/processes.ts'
import { startServers } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'
import { latchkey } from './command-line.ts'

const folder = createTestFolder()
const env = { NODE_ENV: 'test', DATA_FOLDER: path.join(folder, 'data') }
const run = (...args: string[]) => latchkey(args, { env })

let servers: Servers
beforeAll(async () => {
  servers = await startServers(1, { env })
})
afterAll(() => servers.close())

/** The token endpoint's answer to client_credentials, in one word. */
async function ask(clientId: string, secret: string): Promise<string> {
  const authorization = `Basic ${Buffer.from(`${clientId}:${encodeURIComponent(secret)}`).toString('base64')}`
  const body = new URLSearchParams({ grant_type: 'client_credentials' })
  const response = await fetch(`${servers.issuer}/token`, { method: 'POST', body, headers: { authorization } })
  const answer = (await response.json()) as { error?: string }
  return answer.error ?? 'token'
}

const answers = (clientId: string, secret: string, expected: string) =>
  waitFor(async () => (await ask(clientId, secret)) === expected, { timeoutMs: 1000, what: `the answer ${expected}` })

test('the server applies an added, rotated, disabled, enabled and removed client within a second', async () => {
  expect(await ask('robot', 'x')).toBe('invalid_client')
  const added = await run('client', 'add', '--kind', 'machine', '--id', 'robot', '--name', 'Robot', '--json')
  const first = added.json().client_secret
  await answers('robot', first, 'token')
  const second = (await run('client', 'rotate-secret', 'robot', '--json')).json().client_secret
  await answers('robot', first, 'invalid_client')
  await answers('robot', second, 'token')
  await run('client', 'disable', 'robot')
  await answers('robot', second, 'invalid_client')
  await run('client', 'enable', 'robot')
  await answers('robot', second, 'token')
  await run('client', 'remove', 'robot')
  await answers('robot', second, 'invalid_client')
})

test('the server applies a setting within a second', async () => {
  await run('settings', 'set', 'serviceName', 'Renamed service')
  const isSeen = async () => (await (await fetch(`${servers.issuer}/`)).text()).includes('Renamed service')
  await waitFor(isSeen, { timeoutMs: 1000 })
})

test('concurrent commands all succeed, and the server continues', async () => {
  const all = await Promise.all(
    [1, 2, 3, 4].map((n) => run('client', 'add', '--kind', 'machine', '--id', `m${n}`, '--name', 'M', '--json')),
  )
  expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0])
  await answers('m4', all[3]?.json().client_secret, 'token')
})
