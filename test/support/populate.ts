/** The usual data of a test: an account, an API and one client of each kind, created once a run. */
import { createServer } from 'node:http'
import type { Parts } from '../../src/compose/parts.ts'
import { createParts } from '../../src/compose/parts.ts'
import { readConfig } from '../../src/config/read.ts'
import { serverOptions } from '../../src/http/server.ts'
import { createLog } from '../../src/log.ts'
import { systemRandom } from '../../src/random.ts'
import { startServer } from '../../src/server.ts'
import type { TestDatabase } from './database.ts'
import { createTestDatabaseOnce } from './database.ts'
import { waitFor } from './wait.ts'

export const testPassword = 'wonderland tea party'
export const webSecret = 'a secret of more than thirty-two characters'
export const callback = 'https://app.example/callback'
export const api = 'https://api.example/'
export const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const

/** The environment of a server in a test. Hashes use the least work that is allowed. */
export const usualEnvironment = {
  NODE_ENV: 'test',
  MASTER_KEY: '1f'.repeat(16) + '2e'.repeat(16),
  LOG_LEVEL: 'silent',
  PASSWORD_HASH_MEMORY_KIB: '19456',
  PASSWORD_HASH_ITERATIONS: '2',
  PASSWORD_HASH_PARALLELISM: '1',
}

/** Equals an administrator's setting, but without an entry in the audit trail. */
export async function raiseLimits({ database: { knex } }: TestDatabase): Promise<void> {
  await knex('setting').insert({ key: 'rateLimitPercent', value: '1000000', updated_at: 0 })
}

const lowerLimits = ({ database: { knex } }: TestDatabase) =>
  knex('setting').where({ key: 'rateLimitPercent' }).delete()

/** The age of its keys in milliseconds, so that they are older than every server of the run. */
const ageMs = 60_000

async function fill(owned: TestDatabase): Promise<void> {
  await raiseLimits(owned)
  const read = readConfig({ ...usualEnvironment, DATABASE_URL: owned.url, ISSUER: 'http://localhost:1' })
  if ('problems' in read) throw new Error(JSON.stringify(read.problems))
  const madeAt = performance.timeOrigin + performance.now() - ageMs
  const parts = await createParts({
    config: read.config,
    database: owned.database,
    queueUrl: owned.url,
    hashingSlots: 2,
    clock: { now: () => Math.round(madeAt) },
    random: systemRandom,
    log: createLog({ level: 'silent' }),
    refusedSecrets: [],
  })
  const http = createServer(serverOptions)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const server = await startServer(parts, http)
  await populate(parts)
  // Its emails are sent here, and not again by every server that starts with a copy.
  const waiting = () => owned.database.knex('graphile_worker.jobs').where('task_identifier', 'like', 'outbox:%').first()
  await waitFor(async () => (await waiting()) === undefined, { what: 'the end of the outbox' })
  await server.stop()
}

/** A copy of a database with all of this data. */
export async function createPopulatedDatabase({ hasDefaultLimits }: { hasDefaultLimits: boolean }) {
  const owned = await createTestDatabaseOnce('latchkey_populated', fill)
  if (hasDefaultLimits) await lowerLimits(owned)
  return owned
}

/** These variables change nothing in the database. Any other one may need other keys or hashes. */
const harmless = ['ISSUER', 'SMTP_URL', 'REDIS_URL', 'TRUST_PROXY', 'REQUIRE_PUSHED_REQUESTS', 'PASSWORD_HASH_QUEUE']
/** A mutant may change the stored data, so its tests create their own. */
export const freshVariable = 'LATCHKEY_TEST_FRESH'

export const canBeCopied = (env: Readonly<Record<string, string>>): boolean =>
  process.env[freshVariable] === undefined && Object.keys(env).every((name) => harmless.includes(name))

export async function populate({ accounts, clients, resourceServers }: Parts): Promise<void> {
  await resourceServers.put(
    {
      identifier: api,
      name: 'Example API',
      scopes: [{ name: 'api:read', description: 'Read things' }, { name: 'api:write' }],
    },
    operator,
  )
  const scope = 'openid profile email phone address offline_access roles api:read'
  await clients.add(
    {
      clientId: 'web',
      kind: 'web',
      secret: webSecret,
      metadata: {
        client_name: 'Web App',
        redirect_uris: [callback],
        post_logout_redirect_uris: ['https://app.example/'],
        scope,
      },
    },
    operator,
  )
  await clients.add(
    {
      clientId: 'spa',
      kind: 'spa',
      metadata: { client_name: 'Page App', redirect_uris: ['https://spa.example/callback'], scope },
    },
    operator,
  )
  await clients.add(
    {
      clientId: 'native',
      kind: 'native',
      metadata: { client_name: 'Phone App', redirect_uris: ['com.example.app:/callback'], scope },
    },
    operator,
  )
  await clients.add(
    {
      clientId: 'machine',
      kind: 'machine',
      secret: webSecret,
      metadata: { client_name: 'Robot', scope: 'api:read api:write' },
    },
    operator,
  )
  await accounts.create(
    {
      email: 'alice@example.com',
      isEmailVerified: true,
      name: 'Alice Liddell',
      roles: ['editor'],
      password: testPassword,
    },
    operator,
  )
}
