/** A database for one test file: a copy of the migrated template, in the cluster of this run. */
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import type { Database } from '../../src/database/database.ts'
import { createDatabase } from '../../src/database/database.ts'
import { createLog } from '../../src/log.ts'
import { releasedAtEnd } from './cleanup.ts'
import { templateName } from './cluster.ts'
import type { ClusterAnswer } from './global-setup.ts'
import { clusterVariable } from './global-setup.ts'

export type TestDatabase = {
  url: string
  database: Database
  /** Closes the connections and drops the copy. */
  close: () => Promise<void>
}

let copies = 0

async function clusterUrl(): Promise<(database: string) => string> {
  const socketPath = process.env[clusterVariable]
  if (!socketPath) throw new Error('the tests run under Jest with its global set-up')
  const answer = JSON.parse(await text(connect(socketPath))) as ClusterAnswer
  if ('error' in answer) throw new Error(`the test cluster did not start: ${answer.error}`)
  return (database) => answer.url.replace('DATABASE', database)
}

async function administer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** `isEmpty` gives a database without the schema, for tests of the migrations themselves. */
export const createTestDatabase = ({ isEmpty = false }: { isEmpty?: boolean } = {}): Promise<TestDatabase> =>
  copyDatabase(isEmpty ? 'template0' : templateName)

/** A copy of the database `template`. The run's first caller creates it with `fill`. */
export async function createTestDatabaseOnce(
  template: string,
  fill: (database: TestDatabase) => Promise<void>,
): Promise<TestDatabase> {
  const url = await clusterUrl()
  await administer(url('postgres'), async (client) => {
    const isThere = async () =>
      (await client.query('SELECT FROM pg_database WHERE datname = $1', [template])).rowCount === 1
    if (await isThere()) return
    // Another worker may be creating it. The lock ends with the connection.
    await client.query('SELECT pg_advisory_lock(hashtext($1))', [template])
    if (await isThere()) return
    const made = await copyDatabase(templateName)
    await fill(made)
    await made.disconnect()
    await client.query(`ALTER DATABASE ${made.name} RENAME TO ${template}`)
  })
  return copyDatabase(template)
}

async function copyDatabase(template: string) {
  const url = await clusterUrl()
  copies += 1
  const name = `test_${process.pid}_${process.env.JEST_WORKER_ID ?? 0}_${copies}_${process.hrtime.bigint()}`
  await administer(url('postgres'), (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`))
  const database = createDatabase({ url: url(name), poolSize: 10, log: createLog({ level: 'silent' }) })
  await database.changes.whenConnected()
  let closing: Promise<void> | undefined
  const disconnect = (): Promise<void> => {
    closing ??= database.close()
    return closing
  }
  return {
    name,
    url: url(name),
    database,
    disconnect,
    close: releasedAtEnd(async () => {
      await disconnect()
      await administer(url('postgres'), (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
    }),
  }
}
