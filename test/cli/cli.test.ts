/** The command line on an embedded database. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { EmbeddedPostgres } from '../../src/database/embedded/index.ts'
import { startEmbeddedPostgres } from '../../src/database/embedded/index.ts'
import { createTestFolder } from '../support/folders.ts'
import { says, sentence } from '../support/sentences.ts'
import { developmentSeed, latchkey, runCommand } from './command-line.ts'

const folder = createTestFolder()
const env = { DATA_FOLDER: folder }
const run = (args: readonly string[], stdin?: string) =>
  runCommand(args, { env, ...(stdin === undefined ? {} : { stdin }) })
const password = 'a password of its own'

// Like a server: the command line joins the database and does not stop what another process uses.
let held: EmbeddedPostgres
beforeAll(async () => {
  held = await startEmbeddedPostgres({ folder: path.join(folder, 'postgres') })
  expect((await run(['migrate', '--json'])).json().applied).toContain('0003_account')
})
afterAll(() => held.close())

test('the secret of a client is shown once, and the client can be listed, shown and removed', async () => {
  const added = await run([
    'client',
    'add',
    '--kind',
    'web',
    '--name',
    'Shop',
    '--redirect-uri',
    'https://shop.example/cb',
    '--json',
  ])
  expect(added.code).toBe(0)
  const { client_id: id, client_secret: secret } = added.json()
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
  const shown = await run(['client', 'show', id, '--json'])
  expect(shown.json()).toMatchObject({ client_id: id, kind: 'web', redirect_uris: ['https://shop.example/cb'] })
  expect(shown.stdout).not.toContain(secret)
  expect((await run(['client', 'list'])).stdout).toContain('Shop')
  expect((await run(['client', 'remove', id])).code).toBe(0)
  expect(await run(['client', 'show', id])).toMatchObject({ code: 1, stdout: '' })
})

test('the table output shows a generated secret too', async () => {
  const { stdout } = await run(['client', 'add', '--kind', 'machine', '--name', 'Robot', '--id', 'robot'])
  expect(stdout).toMatch(new RegExp(`${says('cli.client.secret').source}\\n[\\w-]{43}\\n$`))
})

test('a supplied secret comes from standard input and needs 32 characters', async () => {
  const add = ['client', 'add', '--kind', 'machine', '--name', 'M', '--id', 'supplied', '--secret-stdin', '--json']
  const refused = await run(add, 'too short\n')
  expect(refused.code).toBe(1)
  expect(JSON.parse(refused.stderr).error).toMatchObject({
    code: 'client_invalid',
    problems: [{ code: 'secret_too_short' }],
  })
  const added = await run(add, `${'s'.repeat(32)}\n`)
  expect(added.code).toBe(0)
  expect(added.json()).not.toHaveProperty('client_secret')
  expect(added.stdout + added.stderr).not.toContain('s'.repeat(32))
  const rotated = await run(['client', 'rotate-secret', 'supplied', '--keep-old', '1m', '--json'])
  expect(rotated.json().client_secret).toHaveLength(43)
  expect(rotated.json().secrets).toHaveLength(2)
})

test('a secret as an argument is a usage error', async () => {
  for (const args of [
    ['client', 'add', '--kind', 'web', '--name', 'x', '--secret', 'x'.repeat(32)],
    ['user', 'add', 'x@example.com', '--password', password],
    ['user', 'set-password', 'x@example.com', password],
  ]) {
    expect((await run(args)).code).toBe(2)
  }
})

test('every problem is reported at once, as text and as JSON', async () => {
  const args = [
    'client',
    'add',
    '--kind',
    'spa',
    '--name',
    ' ',
    '--redirect-uri',
    'http://x.example/*',
    '--no-pkce',
    '--scope',
    'opnid',
  ]
  const words = await run(args)
  expect(words).toMatchObject({ code: 1, stdout: '' })
  expect(words.stderr).toContain('(client_invalid)')
  const { error } = JSON.parse((await run([...args, '--json'])).stderr)
  expect(error.problems.map(({ path: place, code }: { path: string; code: string }) => `${place} ${code}`)).toEqual([
    'require_pkce pkce_always',
    'client_name required',
    'redirect_uris[0] uri_wildcard',
    'scope unknown_scope',
  ])
  expect(error.problems[3].message).toBe(sentence('problems.unknown_scope', { scope: 'opnid', nearest: 'openid' }))
})

test('metadata may come from a file in the names of RFC 7591', async () => {
  const file = path.join(folder, 'client.json')
  writeFileSync(
    file,
    JSON.stringify({ kind: 'native', client_name: 'Phone', redirect_uris: ['com.example.app:/cb'], contact: [] }),
  )
  const refused = await run(['client', 'add', '--metadata', file, '--json'])
  expect(JSON.parse(refused.stderr).error.problems).toEqual([
    expect.objectContaining({ path: 'contact', code: 'unknown_key', message: expect.stringContaining('contacts') }),
  ])
  writeFileSync(file, JSON.stringify({ kind: 'native', client_name: 'Phone', redirect_uris: ['com.example.app:/cb'] }))
  const added = await run(['client', 'add', '--metadata', file, '--name', 'Phone app', '--json'])
  expect(added.json()).toMatchObject({ kind: 'native', client_name: 'Phone app', token_endpoint_auth_method: 'none' })
  writeFileSync(file, 'not json with a secret in it')
  const broken = await run(['client', 'add', '--metadata', file])
  expect(broken.code).toBe(1)
  expect(broken.stderr).not.toContain('secret in it')
  expect((await run(['client', 'add', '--metadata', '/nowhere.json'])).stderr).toContain('(file_unreadable)')
})

test('a user is added, shown by address or id, given a password, disabled and enabled', async () => {
  const add = ['user', 'add', 'Bob@Example.com', '--name', 'Bob', '--role', 'editor', '--password-stdin', '--json']
  const added = await run(add, `${password}\n`)
  expect(added.json()).toMatchObject({ email: 'Bob@Example.com', name: 'Bob', roles: ['editor'], has_password: true })
  const { id } = added.json()
  expect((await run(['user', 'show', 'bob@example.COM', '--json'])).json().id).toBe(id)
  expect((await run(['user', 'show', id])).stdout).toContain('Bob@Example.com')
  expect((await run(add, password)).stderr).toContain('email_taken')
  expect((await run(['user', 'set-password', id, '--password-stdin'], 'another password\n')).code).toBe(0)
  expect((await run(['user', 'disable', 'bob@example.com', '--json'])).json()).toMatchObject({ id, disabled: true })
  expect((await run(['user', 'list', '--json'])).json().users).toMatchObject([{ id, disabled: true }])
  expect((await run(['user', 'enable', id])).code).toBe(0)
  expect((await run(['user', 'disable', 'nobody@example.com'])).stderr).toContain('(account_not_found)')
})

test('without a terminal and without --password-stdin there is no prompt, and nothing hangs', async () => {
  expect(await latchkey(['user', 'add', 'carol@example.com'], { env })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('(password_source_missing)'),
  })
  expect((await run(['user', 'add', 'carol@example.com', '--password-stdin'], '\n')).stderr).toContain('(input_empty)')
  expect((await run(['user', 'add', 'carol@example.com', '--no-password', '--json'])).json().has_password).toBe(false)
})

test('seed reports what it created, and a second run changes nothing', async () => {
  const entries = async () =>
    (await run(['seed', developmentSeed, '--json'])).json().entries.map(({ result }: { result: string }) => result)
  expect(await entries()).toEqual(Array(6).fill('created'))
  expect(await entries()).toEqual(Array(6).fill('unchanged'))
  const table = await run(['seed', developmentSeed])
  expect(table.stdout).toContain('alice@example.com')
})

test('seed reports an unknown key with its line and the nearest known one', async () => {
  const refused = await run(['seed', '-'], 'users:\n  - emial: a@b.example\n')
  expect(refused.code).toBe(1)
  const problem = sentence('problems.unknown_key', { key: 'emial', nearest: 'email' })
  expect(refused.stderr).toContain(`${sentence('cli.line', { line: 2 })}, users[0].emial: ${problem}`)
})

test('production refuses the development seed', async () => {
  const production = {
    ...env,
    NODE_ENV: 'production',
    ISSUER: 'https://login.example.com',
    DATABASE_URL: 'embedded:',
    MASTER_KEY_FILE: path.join(folder, 'master.key'),
  }
  const refused = await runCommand(['seed', developmentSeed, '--json'], { env: production })
  expect(refused.code).toBe(1)
  const { error } = JSON.parse(refused.stderr)
  expect(error.problems.map(({ code }: { code: string }) => code)).toContain('sample_secret')
  const examined = await runCommand(['doctor', '--json'], { env: production })
  expect(examined.code).toBe(1)
  const failed = examined.json().checks.filter(({ status }: { status: string }) => status === 'failed')
  expect(failed.map(({ code }: { code: string }) => code)).toEqual([...Array(3).fill('sample_client'), 'sample_user'])
})

test('settings are listed, changed and reset', async () => {
  expect((await run(['settings', 'set', 'accessTokenSeconds', '300'])).code).toBe(0)
  const { settings } = (await run(['settings', 'list', '--json'])).json()
  expect(settings).toContainEqual({ key: 'accessTokenSeconds', value: 300, default: 600 })
  expect((await run(['settings', 'reset', 'accessTokenSeconds', '--json'])).json().settings.accessTokenSeconds).toBe(
    600,
  )
  const params = { key: 'acessTokenSeconds', nearest: 'accessTokenSeconds' }
  expect((await run(['settings', 'set', params.key, '1'])).stderr).toContain(sentence('errors.setting_unknown', params))
})

test('an API is added, listed, shown and removed', async () => {
  const add = [
    'resource-server',
    'add',
    'https://api.example',
    '--name',
    'API',
    '--scope',
    'read=Read all',
    '--scope',
    'write',
  ]
  expect((await run([...add, '--json'])).json().scopes).toEqual([
    { name: 'read', description: 'Read all' },
    { name: 'write' },
  ])
  expect((await run(['resource-server', 'list'])).stdout).toContain('https://api.example')
  expect((await run(['resource-server', 'show', 'https://api.example/', '--json'])).json().token_format).toBe('jwt')
  expect((await run(['resource-server', 'remove', 'https://api.example'])).code).toBe(0)
  expect((await run(['resource-server', 'show', 'https://api.example'])).code).toBe(1)
})

test('the doctor reports no failure for a working installation', async () => {
  const examined = await run(['doctor', '--json'])
  expect(examined.json().checks.filter(({ status }: { status: string }) => status === 'failed')).toEqual([])
  expect(examined.code).toBe(0)
})

test('a wrong master key is reported, changes nothing and exits with code 78', async () => {
  const wrong = { ...env, MASTER_KEY: '6f'.repeat(8) + '1e'.repeat(24) }
  expect(await runCommand(['client', 'list'], { env: wrong })).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('(wrong_master_key)'),
  })
  const examined = await runCommand(['doctor', '--json'], { env: wrong })
  expect(examined.code).toBe(78)
  expect(examined.json().checks).toContainEqual(expect.objectContaining({ code: 'master_key_wrong', status: 'failed' }))
  expect((await run(['client', 'list'])).code).toBe(0)
})

test('every problem of the configuration is reported, and the exit code is 78', async () => {
  const env = { NODE_ENV: 'production', ISSUER: 'http://login.example.com/' }
  const refused = await runCommand(['client', 'list', '--json'], { env })
  expect(refused.code).toBe(78)
  const { error } = JSON.parse(refused.stderr)
  expect(error.code).toBe('configuration_refused')
  expect(error.problems.map(({ path: variable }: { path: string }) => variable)).toEqual(
    expect.arrayContaining(['ISSUER', 'DATABASE_URL', 'MASTER_KEY']),
  )
  const examined = await runCommand(['doctor'], { env })
  expect(examined).toMatchObject({ code: 78, stdout: expect.stringContaining('ISSUER') })
  const printed = [examined.stdout, (await runCommand(['client', 'list'], { env })).stderr].join('\n')
  for (const line of printed.split('\n').filter((one) => one.includes('ISSUER'))) {
    expect(line.match(/ISSUER/g)).toEqual(['ISSUER'])
  }
})

test('an unavailable database is the error database_unavailable', async () => {
  const away = { ...env, DATABASE_URL: 'postgres://localhost:1/none?sslmode=disable' }
  expect(await runCommand(['user', 'list', '--json'], { env: away })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('database_unavailable'),
  })
})

test('terminal control characters are escaped in the output', async () => {
  const file = path.join(folder, 'claims.json')
  writeFileSync(file, JSON.stringify({ name: 'red\u001b[31m' }))
  const refused = await run(['user', 'add', 'esc@example.com', '--claims', file, '--no-password'])
  expect(refused.code).toBe(1)
  const shown = await run(['user', 'show', 'a\u001b[31m@example.com'])
  expect(shown.stdout + shown.stderr).not.toContain('\u001b')
})
