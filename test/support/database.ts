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
  const address = process.env[clusterVariable]
  if (!address) throw new Error('the tests run under Jest with its global set-up')
  const answer = JSON.parse(await text(connect(address))) as ClusterAnswer
  if ('error' in answer) throw new Error(`the test cluster did not start: ${answer.error}`)
  return (database) => answer.url.replace('DATABASE', database)
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** `isEmpty` gives a database without the schema, for tests of the migrations themselves. */
export async function createTestDatabase({ isEmpty = false }: { isEmpty?: boolean } = {}): Promise<TestDatabase> {
  const url = await clusterUrl()
  copies += 1
  const name = `test_${process.pid}_${process.env.JEST_WORKER_ID ?? 0}_${copies}_${process.hrtime.bigint()}`
  const template = isEmpty ? 'template0' : templateName
  await administer(url('postgres'), `CREATE DATABASE ${name} TEMPLATE ${template}`)
  const database = createDatabase({ url: url(name), poolSize: 10, log: createLog({ level: 'silent' }) })
  await database.changes.whenConnected()
  return {
    url: url(name),
    database,
    close: releasedAtEnd(async () => {
      await database.close()
      await administer(url('postgres'), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    }),
  }
}
