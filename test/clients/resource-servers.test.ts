/** Resource servers: each API has one row, and a client may request some of its scopes. */
import { entitledScopes } from '../../src/resource-servers/resource-server.ts'
import type { Setup } from '../accounts/setup.ts'
import { createSetup, operator, problemsOf } from '../accounts/setup.ts'
import { waitFor } from '../support/wait.ts'

let setup: Setup
beforeAll(async () => {
  setup = await createSetup()
})
afterAll(() => setup.close())

const api = { identifier: 'https://api.example/', name: 'API', scopes: [{ name: 'read' }, { name: 'write' }] }
const clientOf = async (scope: string, clientId?: string) =>
  (await setup.clients.add({ kind: 'machine', clientId, metadata: { client_name: 'M', scope } }, operator)).client

test('an API identifier with and without its last slash is the same API', async () => {
  await setup.resourceServers.put(api, operator)
  for (const resource of ['https://api.example', 'https://api.example/', 'HTTPS://API.example']) {
    expect(await setup.resourceServers.findByIdentifier(resource)).toMatchObject({ identifier: 'https://api.example/' })
  }
  for (const resource of [
    'https://api.example/x',
    'https://api.example/#',
    'api.example',
    '',
    '\u0000',
    'x'.repeat(5000),
  ]) {
    expect(await setup.resourceServers.findByIdentifier(resource)).toBeUndefined()
  }
  await setup.resourceServers.put({ ...api, identifier: 'https://api.example', name: 'Renamed' }, operator)
  expect(await setup.resourceServers.list()).toHaveLength(1)
})

test('an API gets JWTs signed with ES256 for 10 minutes by default', async () => {
  expect(await setup.resourceServers.put({ ...api, identifier: 'urn:example:api' }, operator)).toMatchObject({
    tokenFormat: 'jwt',
    signingAlgorithm: 'ES256',
    tokenLifetimeSeconds: 600,
    allowedClientIds: undefined,
  })
})

test('a client is entitled to the API scopes in its own scope, and only at APIs that allow it', async () => {
  const client = await clientOf('read other')
  const server = await setup.resourceServers.put({ ...api, identifier: 'https://a.example' }, operator)
  expect(entitledScopes(client, server)).toEqual(['read'])
  expect(entitledScopes({ ...client, isDisabled: true }, server)).toEqual([])
  const closed = await setup.resourceServers.put(
    { ...api, identifier: 'https://a.example', allowedClientIds: [] },
    operator,
  )
  expect(entitledScopes(client, closed)).toEqual([])
  const open = await setup.resourceServers.put(
    { ...api, identifier: 'https://a.example', allowedClientIds: [client.clientId] },
    operator,
  )
  expect(entitledScopes(client, open)).toEqual(['read'])
})

test('a new client with the id of a removed client is not in the API’s list of allowed clients', async () => {
  const { clientId } = await clientOf('read', 'lodger')
  const identifier = 'https://closed.example'
  await setup.resourceServers.put({ ...api, identifier, allowedClientIds: [clientId] }, operator)
  await setup.resourceServers.findByIdentifier(identifier)
  await setup.clients.remove(clientId, operator)
  await clientOf('read', 'lodger')
  const isGone = async () => (await setup.resourceServers.findByIdentifier(identifier))?.allowedClientIds?.length === 0
  await waitFor(isGone, { timeoutMs: 1000 })
})

test('every problem is reported at once', async () => {
  const wrong = {
    identifier: 'https://api.example/#part',
    name: '\u202E',
    scopes: [{ name: 'openid' }, { name: 'a b' }, { name: 'x', label: 'y' }, { name: 'x' }],
    tokenLifetimeSeconds: 5,
    signingAlgorithm: 'HS256',
  }
  expect(await problemsOf(setup.resourceServers.put(wrong as never, operator))).toEqual([
    'identifier not_identifier',
    'name not_text',
    'scopes[0].name scope_reserved',
    'scopes[1].name not_scope',
    'scopes[2].label unknown_key',
    'scopes[3] repeated',
    'signing_algorithm not_one_of',
    'token_lifetime_seconds not_within',
  ])
  const stranger = setup.resourceServers.put(
    { ...api, identifier: 'https://s.example', allowedClientIds: ['nobody'] },
    operator,
  )
  expect(await problemsOf(stranger)).toEqual(['allowed_clients unknown_client'])
})
