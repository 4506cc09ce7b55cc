/**
 * A whole server whose keys rotate while it answers. Prints the bytes in use after the first
 * rotations and after the last, as JSON.
 */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { getHeapSnapshot } from 'node:v8'
import { createParts } from '../../src/compose/parts.ts'
import { readConfig } from '../../src/config/read.ts'
import { createDatabase } from '../../src/database/database.ts'
import { createLog } from '../../src/log.ts'
import { systemRandom } from '../../src/random.ts'
import { startServer } from '../../src/server.ts'
import { createTestClock } from '../support/clock.ts'
import { waitFor } from '../support/wait.ts'

const [url = '', first = '', last = ''] = process.argv.slice(2)
const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const day = 86_400_000
const secret = 'a secret of more than thirty-two characters'
const resource = 'https://api.example/'

const clock = createTestClock()
const http = createServer()
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
const issuer = `http://localhost:${(http.address() as AddressInfo).port}`
const read = readConfig({ NODE_ENV: 'test', ISSUER: issuer, DATABASE_URL: url, MASTER_KEY: '1f2e'.repeat(16) })
assert('config' in read)
const log = createLog({ level: 'silent' })
const database = createDatabase({ url, poolSize: 4, log })
await database.changes.whenConnected()
const parts = await createParts({
  config: read.config,
  database,
  queueUrl: url,
  clock,
  random: systemRandom,
  log,
  hashingSlots: 1,
  refusedSecrets: [],
})
await parts.resourceServers.put({ identifier: resource, name: 'API', scopes: [{ name: 'api:read' }] }, operator)
await parts.clients.add(
  { clientId: 'machine', kind: 'machine', secret, metadata: { client_name: 'Robot', scope: 'api:read' } },
  operator,
)
// One machine sends more requests than the limits allow.
await parts.settings.set('rateLimitPercent', 1_000_000, operator)
const server = await startServer(parts, http)

const authorization = `Basic ${Buffer.from(`machine:${encodeURIComponent(secret)}`).toString('base64')}`
async function ask(): Promise<void> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'api:read' })
  const answers = [
    await fetch(`${issuer}/token`, { method: 'POST', body, headers: { authorization } }),
    await fetch(`${issuer}/jwks`),
    await fetch(`${issuer}/.well-known/openid-configuration`),
  ]
  for (const answer of answers) {
    assert.equal(answer.status, 200)
    await answer.arrayBuffer()
  }
}

/** From one active key to the next, for every algorithm, until this process has loaded it. */
async function advance(): Promise<void> {
  const before = parts.keyRing.current().signingKids
  for (const step of [29 * day, day]) {
    clock.advance(step)
    await parts.rotation.advance()
  }
  await waitFor(() => !parts.keyRing.current().signingKids.some((kid) => before.includes(kid)))
}

type Snapshot = { nodes: number[]; snapshot: { meta: { node_fields: string[]; node_types: [string[]] } } }
/** V8's compiled code and feedback grow for thousands of requests, with or without rotations. */
const learnt = ['code', 'hidden', 'object shape']

/**
 * Bytes of everything that the program itself uses. V8 collects unreachable objects before it takes
 * the snapshot.
 */
async function bytesInUse(): Promise<number> {
  const { nodes, snapshot } = (await json(getHeapSnapshot())) as Snapshot
  const { node_fields: fields, node_types: types } = snapshot.meta
  const [type, size] = [fields.indexOf('type'), fields.indexOf('self_size')]
  let bytes = 0
  for (let at = 0; at < nodes.length; at += fields.length) {
    if (!learnt.includes(types[0][nodes[at + type]!]!)) bytes += nodes[at + size]!
  }
  return bytes
}

const bytes: number[] = []
for (let turns = 1; turns <= Number(last); turns += 1) {
  await advance()
  await Promise.all([ask(), ask(), ask()])
  await ask()
  if (turns === Number(first) || turns === Number(last)) bytes.push(await bytesInUse())
}
await server.stop()
await database.close()
process.stdout.write(JSON.stringify({ bytes, keys: parts.keyRing.current().publicJwks.length }))
