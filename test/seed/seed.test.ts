/** Seeds: idempotent, all or nothing, refused where they do not belong. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Setup } from '../accounts/setup.ts'
import { createSetup, operator, problemsFrom } from '../accounts/setup.ts'

const development = readFileSync(path.join(import.meta.dirname, '../../seeds/development.yaml'), 'utf8')

let setup: Setup
beforeEach(async () => {
  setup = await createSetup()
})
afterEach(() => setup.close())

const apply = (text: string, options = {}) => setup.seed.apply(text, { by: operator, ...options })
const results = async (text: string, options = {}) =>
  Object.fromEntries((await apply(text, options)).entries.map(({ id, result }) => [id, result]))
const problems = async (text: string) =>
  (await problemsFrom(apply(text))).map(({ path: place, code, line }) => `${line ?? '-'} ${place} ${code}`)

test('the development seed creates its users, clients and APIs', async () => {
  await apply(development)
  const alice = await setup.accounts.findByEmail('alice@example.com')
  expect((await setup.passwords.verify('wonderland tea party', alice?.passwordHash)).matches).toBe(true)
  expect(alice).toMatchObject({
    isEmailVerified: true,
    name: 'Alice Liddell',
    address: { locality: 'Oxford' },
    roles: ['editor'],
  })
  const web = await setup.clients.findById('demo-web')
  expect(web?.metadata).toMatchObject({
    redirect_uris: ['http://localhost:3001/callback'],
    post_logout_redirect_uris: ['http://localhost:3001/'],
    scope: 'openid profile email phone address offline_access roles api:read',
  })
  expect(web && setup.clients.secretMatches(web, 'demo-web-secret-for-development-only')).toBe(true)
  expect((await setup.clients.findById('demo-spa'))?.metadata.token_endpoint_auth_method).toBe('none')
  expect((await setup.clients.findById('demo-machine'))?.metadata.scope).toBe('api:read api:write')
  const api = await setup.resourceServers.findByIdentifier('http://localhost:3003/')
  expect(api?.scopes.map(({ name }) => name)).toEqual(['api:read', 'api:write'])
})

test('a second application changes nothing, hashes nothing and writes no audit event', async () => {
  expect([...new Set(Object.values(await results(development)))]).toEqual(['created'])
  const [hashes, trail] = [setup.hashes(), await setup.trail()]
  expect([...new Set(Object.values(await results(development)))]).toEqual(['unchanged'])
  expect(setup.hashes()).toBe(hashes)
  expect(await setup.trail()).toEqual(trail)
})

test('an application reports and updates the fields that differ', async () => {
  await apply(development)
  const changed = development
    .replace('client_name: Demo web app', 'client_name: Renamed')
    .replace('name: Alice Liddell', 'name: Alice')
  const { entries } = await apply(changed)
  expect(entries.filter(({ result }) => result === 'changed').map(({ id, fields }) => [id, fields])).toEqual([
    ['demo-web', ['client_name']],
    ['alice@example.com', ['name']],
  ])
})

test('a secret and a password in the seed are initial values, and do not replace later ones', async () => {
  await apply(development)
  const alice = await setup.accounts.findByEmail('alice@example.com')
  await setup.accounts.setPassword(alice?.id ?? '', 'changed by its owner', operator)
  const { secret } = await setup.clients.rotateSecret('demo-web', {}, operator)
  const changed = development
    .replace('demo-machine-secret-for-development-only', 'another-secret-of-the-machine-0123456789')
    .replace('client_name: Demo web app', 'client_name: Renamed')
    .replace('name: Alice Liddell', 'name: Alice')
  for (const text of [development, changed]) {
    await apply(text)
    const web = await setup.clients.findById('demo-web')
    const matches = (presented = '') => web && setup.clients.secretMatches(web, presented)
    expect([matches(secret), matches('demo-web-secret-for-development-only')]).toEqual([true, false])
    const machine = await setup.clients.findById('demo-machine')
    const first = 'demo-machine-secret-for-development-only'
    expect(machine && setup.clients.secretMatches(machine, first)).toBe(true)
    const { passwordHash } = (await setup.accounts.findByEmail('alice@example.com')) ?? {}
    expect((await setup.passwords.verify('changed by its owner', passwordHash)).matches).toBe(true)
  }
  expect((await setup.clients.findById('demo-web'))?.metadata.client_name).toBe('Renamed')
})

test('a client that becomes confidential gets the secret of the file', async () => {
  const entry = (kind: string) => `
clients:
  - client_id: grown
    kind: ${kind}
    client_name: Grown
    redirect_uris: [https://grown.example/callback]
`
  await apply(entry('spa'))
  const secret = 'a secret of more than thirty-two characters'
  const { entries } = await apply(`${entry('web')}    client_secret: ${secret}\n`)
  expect(entries).toMatchObject([{ result: 'changed', fields: expect.arrayContaining(['client_secret']) }])
  const grown = await setup.clients.findById('grown')
  expect(grown && setup.clients.secretMatches(grown, secret)).toBe(true)
})

test('with isOnlyMissing existing entries are not changed', async () => {
  await apply(development)
  const alice = await setup.accounts.findByEmail('alice@example.com')
  await setup.accounts.setPassword(alice?.id ?? '', 'changed by somebody', operator)
  await setup.clients.remove('demo-spa', operator)
  const after = await results(development, { isOnlyMissing: true })
  expect(after).toMatchObject({ 'demo-spa': 'created', 'alice@example.com': 'unchanged' })
})

test('a client that an operator disabled stays disabled', async () => {
  await apply(development)
  await setup.clients.disable('demo-web', operator)
  expect(await results(development)).toMatchObject({ 'demo-web': 'unchanged' })
})

test('every problem is reported at once with its line, and nothing is written', async () => {
  const text = `
users:
  - email: fine@example.com
  - email: nobody
    pasword: x
    password: short
  - email: FINE@example.com
client:
  - x
clients:
  - client_id: a
    kind: web
    client_name: A
    redirect_uris: [https://a.example/]
    scope: openid api:raed
  - client_name: B
    kind: spa
    redirect_uris: [http://b.example/, javascript:x]
    client_secret: abc
resource_servers:
  - identifier: https://api.example/
    name: API
    scopes: [api:read]
    allowed_clients: [b]
`
  expect(await problems(text)).toEqual([
    '8 client unknown_key',
    '5 users[1].pasword unknown_key',
    '4 users[1].email not_email',
    '6 users[1].password password_too_short',
    '7 users[2].email repeated',
    '18 clients[1].redirect_uris[0] uri_http',
    '18 clients[1].redirect_uris[1] uri_scheme_dangerous',
    '19 clients[1].client_secret public_has_no_secret',
    '16 clients[1].client_id required',
    '15 clients[0].scope unknown_scope',
    '24 resource_servers[0].allowed_clients[0] unknown_client',
  ])
  const [unknown] = await problemsFrom(apply('clents: []'))
  expect(unknown?.params).toMatchObject({ key: 'clents', nearest: 'clients' })
  expect(await setup.accounts.list()).toEqual([])
  expect(await setup.clients.list()).toEqual([])
})

test.each([
  ['a: [', 'not_yaml'],
  ['a: 1\na: 2', 'not_yaml'],
  ['', 'seed_not_mapping'],
  ['- 1', 'seed_not_mapping'],
  ['users: 7', 'not_list'],
  ['users: [7]', 'not_mapping'],
  ['__proto__: []', 'unknown_key'],
  ['users: [{ email: a@b.example, __proto__: { roles: [admin] } }]', 'unknown_key'],
  [`users: [{ email: 7, name: [], address: 1, roles: x, password: 1, disabled: 2 }]`, 'required'],
  [
    'clients: [{ kind: 7, client_name: {}, redirect_uris: 1, scope: 1, grant_types: 1, client_id: 1, client_secret: 1 }]',
    'not_string',
  ],
  ['resource_servers: [{ identifier: 1, name: 1, scopes: 1, allowed_clients: 1 }]', 'required'],
])('%j is refused, not stumbled over', async (text, code) => {
  expect((await problemsFrom(apply(text))).map((problem) => problem.code)).toContain(code)
})

test('spellings of one mailbox are one user of the seed', async () => {
  const seedOf = (...emails: string[]) => `users:\n${emails.map((email) => `  - email: ${email}\n`).join('')}`
  expect(await problems(seedOf('seeded@münchen.example', 'Seeded@xn--mnchen-3ya.example'))).toEqual([
    '3 users[1].email repeated',
  ])
  // Only the small letter has a composed form with its caron.
  expect(await problems(seedOf('J\u030Can@a.example', '\u01F0an@a.example'))).toEqual(['3 users[1].email repeated'])
  expect(await problems(seedOf('seeded@0x7f.1'))).toEqual(['2 users[0].email not_email'])
  await apply(seedOf('seeded@münchen.example'))
  const again = await results(seedOf('seeded@xn--mnchen-3ya.example'))
  expect(Object.values(again)).toEqual(['unchanged'])
})

test('a failed application stores nothing', async () => {
  await setup.db.raw("ALTER TABLE account ADD CONSTRAINT no_alice CHECK (email_key <> 'alice@example.com')")
  await expect(apply(development)).rejects.toThrow()
  expect(await setup.clients.list()).toEqual([])
  expect(await setup.trail()).toEqual([])
})

test('production refuses the development seed, and each of its secrets in another seed', async () => {
  const production = await createSetup({ isProduction: true })
  try {
    const refused = await problemsFrom(production.seed.apply(development, { by: operator }))
    expect(refused.map(({ path: place, code }) => `${place} ${code}`)).toEqual(
      expect.arrayContaining([
        'users[0].email sample_value',
        'users[0].password sample_secret',
        'clients[0].client_id sample_value',
        'clients[0].client_secret sample_secret',
        'clients[0].redirect_uris[0] uri_loopback',
        'clients[2].client_secret sample_secret',
      ]),
    )
    const renamed = production.accounts.create({ email: 'bob@example.com', password: 'wonderland tea party' }, operator)
    await expect(renamed).rejects.toMatchObject({ code: 'account_invalid' })
    expect(await production.accounts.list()).toEqual([])
  } finally {
    await production.close()
  }
})
