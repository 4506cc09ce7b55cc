/** Resource servers: one API one row, and which of its scopes a client may ask for. */
import { entitledScopes } from '../../src/resource-servers/resource-server.ts'
import type { Rooms } from '../accounts/rooms.ts'
import { createRooms, operator, problemsOf } from '../accounts/rooms.ts'
import { waitFor } from '../support/wait.ts'

let rooms: Rooms
beforeAll(async () => {
  rooms = await createRooms()
})
afterAll(() => rooms.close())

const api = { identifier: 'https://api.example/', name: 'API', scopes: [{ name: 'read' }, { name: 'write' }] }
const clientOf = async (scope: string, clientId?: string) =>
  (await rooms.clients.add({ kind: 'machine', clientId, metadata: { client_name: 'M', scope } }, operator)).client

test('an API named with and without its last slash is one', async () => {
  await rooms.resourceServers.put(api, operator)
  for (const resource of ['https://api.example', 'https://api.example/', 'HTTPS://API.example']) {
    expect(await rooms.resourceServers.findByIdentifier(resource)).toMatchObject({ identifier: 'https://api.example/' })
  }
  for (const resource of [
    'https://api.example/x',
    'https://api.example/#',
    'api.example',
    '',
    '\u0000',
    'x'.repeat(5000),
  ]) {
    expect(await rooms.resourceServers.findByIdentifier(resource)).toBeUndefined()
  }
  await rooms.resourceServers.put({ ...api, identifier: 'https://api.example', name: 'Renamed' }, operator)
  expect(await rooms.resourceServers.list()).toHaveLength(1)
})

test('it takes JWTs signed with ES256 for 10 minutes unless it says otherwise', async () => {
  expect(await rooms.resourceServers.put({ ...api, identifier: 'urn:example:api' }, operator)).toMatchObject({
    tokenFormat: 'jwt',
    signingAlgorithm: 'ES256',
    tokenLifetimeSeconds: 600,
    allowedClientIds: undefined,
  })
})

test('a client may ask for what its own scope covers, and only where it is let in', async () => {
  const client = await clientOf('read other')
  const server = await rooms.resourceServers.put({ ...api, identifier: 'https://a.example' }, operator)
  expect(entitledScopes(client, server)).toEqual(['read'])
  expect(entitledScopes({ ...client, isDisabled: true }, server)).toEqual([])
  const closed = await rooms.resourceServers.put(
    { ...api, identifier: 'https://a.example', allowedClientIds: [] },
    operator,
  )
  expect(entitledScopes(client, closed)).toEqual([])
  const open = await rooms.resourceServers.put(
    { ...api, identifier: 'https://a.example', allowedClientIds: [client.clientId] },
    operator,
  )
  expect(entitledScopes(client, open)).toEqual(['read'])
})

test('a namesake of a removed client does not inherit its place', async () => {
  const { clientId } = await clientOf('read', 'lodger')
  const identifier = 'https://closed.example'
  await rooms.resourceServers.put({ ...api, identifier, allowedClientIds: [clientId] }, operator)
  await rooms.resourceServers.findByIdentifier(identifier)
  await rooms.clients.remove(clientId, operator)
  await clientOf('read', 'lodger')
  const isGone = async () => (await rooms.resourceServers.findByIdentifier(identifier))?.allowedClientIds?.length === 0
  await waitFor(isGone, { timeoutMs: 1000 })
})

test('every problem is told at once', async () => {
  const wrong = {
    identifier: 'https://api.example/#part',
    name: '\u202E',
    scopes: [{ name: 'openid' }, { name: 'a b' }, { name: 'x', label: 'y' }, { name: 'x' }],
    tokenLifetimeSeconds: 5,
    signingAlgorithm: 'HS256',
  }
  expect(await problemsOf(rooms.resourceServers.put(wrong as never, operator))).toEqual([
    'identifier not_identifier',
    'name not_text',
    'scopes[0].name scope_reserved',
    'scopes[1].name not_scope',
    'scopes[2].label unknown_key',
    'scopes[3] repeated',
    'signing_algorithm not_one_of',
    'token_lifetime_seconds not_within',
  ])
  const stranger = rooms.resourceServers.put(
    { ...api, identifier: 'https://s.example', allowedClientIds: ['nobody'] },
    operator,
  )
  expect(await problemsOf(stranger)).toEqual(['allowed_clients unknown_client'])
})
