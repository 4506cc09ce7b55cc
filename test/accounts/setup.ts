/** Accounts, clients, APIs, settings and the audit trail on a test database, without the engine. */

import { readAccountDocument } from '../../src/accounts/document.ts'
import { normaliseEmail } from '../../src/accounts/email.ts'
import { createAccounts, loadAccount } from '../../src/accounts/service.ts'
import { listAuditEvents } from '../../src/audit/repository.ts'
import type { Initiator } from '../../src/audit/service.ts'
import { createAudit } from '../../src/audit/service.ts'
import { readClientDocument } from '../../src/clients/document.ts'
import { oidcScopes } from '../../src/clients/scopes.ts'
import { createClientSecrets } from '../../src/clients/secrets.ts'
import { createClients, loadClient } from '../../src/clients/service.ts'
import { createRowCache } from '../../src/database/row-cache.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createPasswordHasher } from '../../src/passwords/hasher.ts'
import { createPasswordPolicy } from '../../src/passwords/service.ts'
import { createStrengthEstimator } from '../../src/passwords/strength.ts'
import type { Problem } from '../../src/problems.ts'
import { ProblemsError } from '../../src/problems.ts'
import { systemRandom } from '../../src/random.ts'
import { readResourceServerDocument } from '../../src/resource-servers/document.ts'
import { createResourceServers, loadResourceServer } from '../../src/resource-servers/service.ts'
import { sampleSecrets } from '../../src/seed/samples.ts'
import { createSeed } from '../../src/seed/service.ts'
import { createSettings } from '../../src/settings/service.ts'
import { createTestClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'

export const operator: Initiator = {
  actor: { type: 'operator', id: 'tester' },
  origin: { command: 'test' },
}

export type Setup = Awaited<ReturnType<typeof createSetup>>

/** `isProduction` refuses loopback http and the samples of the development seed. */
export async function createSetup({ isProduction = false }: { isProduction?: boolean } = {}) {
  const test = await createTestDatabase()
  const { knex: db, transaction, changes } = test.database
  const clock = createTestClock()
  const random = systemRandom
  const ended: string[] = []
  const audit = createAudit({ db, clock, random, insertAndQueue: async (_tx, _event, row) => await row })
  const refusedSecrets = isProduction ? sampleSecrets : []
  const isDevelopment = !isProduction
  const settings = await createSettings({ db, transaction, changes, audit, clock, log: createLog({ level: 'silent' }) })
  const guessing = createStrengthEstimator({ log: createLog({ level: 'silent' }) })
  const checkPassword = createPasswordPolicy({
    settings,
    breaches: undefined,
    strength: guessing,
    refusedSecrets,
  }).check
  const passwords = createPasswordHasher({
    memoryKiB: 64,
    iterations: 1,
    parallelism: 1,
    slots: 2,
    queue: 16,
    metrics: createMetrics(),
  })
  let hashed = 0
  const cache = <V>(table: string, load: (key: string) => Promise<V | undefined>) =>
    createRowCache({ table, changes, maxEntries: 100, load })
  const accounts = createAccounts({
    db,
    transaction,
    audit,
    clock,
    random,
    checkPassword,
    cache: cache('account', loadAccount(db)),
    passwords: {
      ...passwords,
      hash: (password) => {
        hashed += 1
        return passwords.hash(password)
      },
    },
    resetAccount: async (_tx, id) => {
      ended.push(id)
      return { generation: 1 }
    },
    revokePasskeyTrust: async () => {},
    clearFailedLogins: async () => {},
  })
  const offeredAlgorithms = () => ['RS256', 'ES256', 'EdDSA']
  const clients = createClients({
    db,
    transaction,
    audit,
    clock,
    random,
    refusedSecrets,
    isDevelopment,
    offeredAlgorithms,
    cache: cache('client', loadClient(db)),
    secrets: createClientSecrets({ digestKey: random.bytes(32), random }),
    endClient: async (_tx, id) => void ended.push(id),
  })
  const resourceServers = createResourceServers({
    db,
    transaction,
    audit,
    clock,
    offeredAlgorithms,
    cache: cache('resource_server', loadResourceServer(db)),
  })
  const seed = createSeed({
    accounts,
    clients,
    resourceServers,
    checkPassword,
    transaction,
    audit,
    oidcScopes,
    isProduction,
    normaliseEmail,
    readers: {
      account: readAccountDocument,
      client: (entry) => readClientDocument(entry, { isDevelopment, refusedSecrets }),
      resourceServer: readResourceServerDocument,
    },
  })
  return {
    db,
    database: test.database,
    clock,
    audit,
    passwords,
    accounts,
    clients,
    resourceServers,
    settings,
    seed,
    /** Accounts and clients whose sessions and tokens were ended, in order. */
    ended,
    hashes: () => hashed,
    /** The audit events, newest first. */
    trail: () => listAuditEvents(db, 100),
    close: async () => {
      await settings.close()
      await test.close()
    },
  }
}

/** Every problem of a refused call, as `path code`. */
export async function problemsOf(call: Promise<unknown>): Promise<string[]> {
  return (await problemsFrom(call)).map(({ path, code }) => `${path} ${code}`)
}

export async function problemsFrom(call: Promise<unknown>): Promise<readonly Problem[]> {
  try {
    await call
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems
    throw error
  }
  throw new Error('it was not refused')
}
