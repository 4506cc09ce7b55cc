/** Clients: kinds, metadata, secrets. */
import { createClientSecrets } from '../../src/clients/secrets.ts'
import type { ClientInput } from '../../src/clients/service.ts'
import { systemRandom } from '../../src/random.ts'
import type { Setup } from '../accounts/setup.ts'
import { createSetup, operator, problemsFrom, problemsOf } from '../accounts/setup.ts'
import { waitFor } from '../support/wait.ts'

let setup: Setup
beforeAll(async () => {
  setup = await createSetup()
})
afterAll(() => setup.close())

const web = (metadata: Record<string, unknown> = {}, more: Partial<ClientInput> = {}): ClientInput => ({
  kind: 'web',
  metadata: { client_name: 'App', redirect_uris: ['https://app.example/cb'], ...metadata },
  ...more,
})

test.each([
  ['web', { token_endpoint_auth_method: 'client_secret_basic', grant_types: ['authorization_code', 'refresh_token'] }],
  ['spa', { token_endpoint_auth_method: 'none', response_types: ['code'], application_type: 'web' }],
  ['native', { token_endpoint_auth_method: 'none', application_type: 'native' }],
  ['machine', { grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: '' }],
] as const)('a %s client starts from the defaults of its kind', async (kind, metadata) => {
  const redirect_uris = kind === 'machine' ? [] : ['https://app.example/cb']
  const { client, secret } = await setup.clients.add(
    { kind, metadata: { client_name: 'App', redirect_uris } },
    operator,
  )
  expect(client).toMatchObject({ kind, requirePkce: true, isFirstParty: false, refreshGraceSeconds: 30, metadata })
  expect(client.metadata.id_token_signed_response_alg).toBe('RS256')
  expect(secret === undefined).toBe(kind === 'spa' || kind === 'native')
})

test('a generated secret has 256 bits, matches, and is not stored in plain text', async () => {
  const { client, secret = '' } = await setup.clients.add(web(), operator)
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
  expect(setup.clients.secretMatches(client, secret)).toBe(true)
  expect(setup.clients.secretMatches(client, `${secret}x`)).toBe(false)
  expect(setup.clients.secretMatches(client, '')).toBe(false)
  const rows = await setup.db.raw(
    "SELECT row_to_json(c)::text || (SELECT string_agg(s::text, '') FROM client_secret s) AS row FROM client c",
  )
  for (const { row } of rows.rows) expect(row).not.toContain(secret)
})

test('a supplied secret needs 32 characters', async () => {
  expect(await problemsOf(setup.clients.add(web({}, { secret: 'x'.repeat(31) }), operator))).toEqual([
    'client_secret secret_too_short',
  ])
  const { client, secret } = await setup.clients.add(web({}, { secret: 'x'.repeat(32) }), operator)
  expect(secret).toBeUndefined()
  expect(setup.clients.secretMatches(client, 'x'.repeat(32))).toBe(true)
})

test('the digest of a secret depends on the key', () => {
  const [one, other] = [1, 2].map((fill) =>
    createClientSecrets({ digestKey: Buffer.alloc(32, fill), random: systemRandom }),
  )
  const digest = one!.digest('a supplied secret may be a sentence')
  expect(digest).toEqual(one!.digest('a supplied secret may be a sentence'))
  expect(digest).not.toEqual(other!.digest('a supplied secret may be a sentence'))
  expect(digest).toHaveLength(32)
})

test('after a rotation the old secret ends at once, or stays valid for the requested time', async () => {
  const { client, secret: first = '' } = await setup.clients.add(web(), operator)
  const second = await setup.clients.rotateSecret(client.clientId, { overlapSeconds: 60 }, operator)
  const matches = (secret = '') => setup.clients.secretMatches(second.client, secret)
  expect([matches(first), matches(second.secret)]).toEqual([true, true])
  setup.clock.advance(60_000)
  expect([matches(first), matches(second.secret)]).toEqual([false, true])
  const third = await setup.clients.rotateSecret(client.clientId, {}, operator)
  expect(third.client.secretDigests).toHaveLength(1)
  expect(setup.clients.secretMatches(third.client, second.secret ?? '')).toBe(false)
  expect(setup.clients.secretMatches(third.client, third.secret ?? '')).toBe(true)
})

test('a client has at most two valid secrets', async () => {
  const { client } = await setup.clients.add(web(), operator)
  for (let turn = 0; turn < 3; turn += 1) {
    setup.clock.advance(1)
    await setup.clients.rotateSecret(client.clientId, { overlapSeconds: 3600 }, operator)
  }
  expect((await setup.clients.list()).find(({ clientId }) => clientId === client.clientId)?.secretDigests).toHaveLength(
    2,
  )
})

test('a rotation is seen by every process that caches the client, within a second', async () => {
  const { client } = await setup.clients.add(web(), operator)
  await setup.clients.findById(client.clientId)
  const { secret = '' } = await setup.clients.rotateSecret(client.clientId, {}, operator)
  await waitFor(
    async () => {
      const seen = await setup.clients.findById(client.clientId)
      return seen && setup.clients.secretMatches(seen, secret)
    },
    { timeoutMs: 1000 },
  )
})

test('a public client has no secret to rotate', async () => {
  const { client } = await setup.clients.add({ ...web(), kind: 'spa' }, operator)
  await expect(setup.clients.rotateSecret(client.clientId, {}, operator)).rejects.toMatchObject({
    code: 'client_has_no_secret',
  })
})

test('removing a client ends its grants and is audited', async () => {
  const { client } = await setup.clients.add(web(), operator)
  await setup.clients.remove(client.clientId, operator)
  expect(setup.ended).toContain(client.clientId)
  expect((await setup.trail())[0]).toMatchObject({ action: 'client.removed', clientId: client.clientId })
  await waitFor(async () => (await setup.clients.findById(client.clientId)) === undefined, { timeoutMs: 1000 })
  await expect(setup.clients.remove(client.clientId, operator)).rejects.toMatchObject({ code: 'client_not_found' })
})

test('a client id is unique, and a UUID is refused (RFC 9700 4.15.1)', async () => {
  await setup.clients.add(web({}, { clientId: 'one' }), operator)
  await expect(setup.clients.add(web({}, { clientId: 'one' }), operator)).rejects.toMatchObject({
    code: 'client_id_taken',
  })
  const clientId = '6f2c1c9e-5f0f-4a55-9f7e-0c1f3a6c0f11'
  expect(await problemsOf(setup.clients.add(web({}, { clientId }), operator))).toEqual(['client_id not_client_id'])
})

test('wrong metadata is refused with every problem at once, an unknown key with the nearest known one', async () => {
  const problems = await problemsFrom(
    setup.clients.add(
      web({
        redirect_urls: ['https://app.example'],
        logo_uri: 'https://app.example/logo.png',
        grant_types: ['implicit', 'authorization_code'],
        response_types: ['token'],
        token_endpoint_auth_method: 'none',
        id_token_signed_response_alg: 'none',
        scope: 'openid "quoted"',
        client_uri: 'http://app.example',
        contacts: ['a@example.com', 'a@example.com'],
        default_max_age: -1,
        allowed_origins: ['https://app.example/path'],
      }),
      operator,
    ),
  )
  expect(problems.map(({ path, code }) => `${path} ${code}`)).toEqual([
    'redirect_urls unknown_key',
    'logo_uri logo_refused',
    'grant_types[0] not_one_of',
    'response_types[0] not_one_of',
    'token_endpoint_auth_method not_one_of',
    'id_token_signed_response_alg not_one_of',
    'scope not_scope',
    'client_uri uri_http',
    'contacts[1] repeated',
    'default_max_age not_within',
    'allowed_origins[0] not_origin',
  ])
  expect(problems[0]?.params).toMatchObject({ key: 'redirect_urls', nearest: 'redirect_uris' })
})

test.each([
  ['x'.repeat(65), 'too_long'],
  ['', 'required'],
  ['   ', 'required'],
  ['Pay\u202Elap', 'name_character'],
  ['Two\nlines', 'name_character'],
  ['Zero\u200Bwidth', 'name_character'],
  ['\ud800', 'name_character'],
])('the name %j is refused', async (client_name, code) => {
  expect(await problemsOf(setup.clients.add(web({ client_name }), operator))).toContain(`client_name ${code}`)
})

test.each([['<script>'], ['Your bank: enter your PIN'], ['名前'], ['x'.repeat(64)], ['é'.repeat(64)]])(
  'the name %j is accepted and stored unchanged',
  async (client_name) => {
    const { client } = await setup.clients.add(web({ client_name }), operator)
    expect(client.metadata.client_name).toBe(client_name)
  },
)

test('PKCE is optional only for a confidential client, and a native client cannot be a first party', async () => {
  const { client } = await setup.clients.add(web({}, { requirePkce: false }), operator)
  expect(client.requirePkce).toBe(false)
  for (const kind of ['spa', 'native'] as const) {
    const problems = await problemsOf(setup.clients.add({ ...web({}, { requirePkce: false }), kind }, operator))
    expect(problems).toEqual(['require_pkce pkce_always'])
  }
  const native: ClientInput = { ...web({}, { isFirstParty: true }), kind: 'native' }
  expect(await problemsOf(setup.clients.add(native, operator))).toEqual(['first_party native_always_asks'])
})

test('the database enforces the rules of clients too', async () => {
  const metadata = { client_name: 'A', redirect_uris: [], grant_types: [], token_endpoint_auth_method: 'none' }
  const row = { client_id: 'direct', kind: 'spa', created_at: 0, updated_at: 0 }
  const refused = [
    { client_id: 'a b' },
    { kind: 'toaster' },
    { require_pkce: false },
    { kind: 'native', is_first_party: true },
    { kind: 'web' },
    { refresh_grace_seconds: 301 },
    { metadata: { ...metadata, client_name: 'x'.repeat(65) } },
    { metadata: { ...metadata, client_secret: 'in clear' } },
  ]
  for (const wrong of refused) {
    await expect(setup.db('client').insert({ ...row, metadata, ...wrong })).rejects.toMatchObject({ code: '23514' })
  }
})

test('a machine client may have no redirect URI and no openid scope', async () => {
  const machine: ClientInput = {
    kind: 'machine',
    metadata: { client_name: 'M', scope: 'openid api:read', redirect_uris: ['https://a.example'] },
  }
  expect(await problemsOf(setup.clients.add(machine, operator))).toEqual([
    'redirect_uris machine_has_no_redirects',
    'scope scope_needs_person',
  ])
})
