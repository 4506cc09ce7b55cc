/** One temporary Postgres for a test run, started at the first request, with a template. */
import { closeSync, existsSync, openSync } from 'node:fs'
import path from 'node:path'
import { createDatabase } from '../../src/database/database.ts'
import { findBinaries } from '../../src/database/embedded/binaries.ts'
import { makeDataFolder } from '../../src/database/embedded/data-folder.ts'
import { createAccess } from '../../src/database/embedded/endpoint.ts'
import { findUsers } from '../../src/database/embedded/run-as.ts'
import { migrateUnderLock } from '../../src/database/migrate.ts'
import { migrateQueue } from '../../src/jobs/migrate.ts'
import { createLog } from '../../src/log.ts'
import { systemRandom } from '../../src/random.ts'
import { createTestFolder } from './folders.ts'
import { waitFor } from './wait.ts'
import { watchProcess } from './watchdog.ts'

export type Cluster = {
  /** URL of one of its databases. */
  url: (database: string) => string
  stop: () => Promise<void>
}

/** The database that `createTestDatabase` copies. */
export const templateName = 'latchkey_template'

// The data is discarded after the run, so no write has to wait for a disk.
const settings = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off',
  max_connections: '300',
  shared_buffers: '64MB',
}

/** Starts the cluster (about a second) with its template. It ends with this process. */
export async function startCluster(): Promise<Cluster> {
  const folder = createTestFolder()
  const data = path.join(folder, 'data')
  const binaries = findBinaries({ spareFolder: path.join(folder, 'lib') })
  const users = findUsers({ dataFolder: data, programs: binaries.folder })
  const { user } = users
  if (process.getuid?.() === 0) user.makeFolder(folder)
  const access = () => createAccess('socket', { folder: data, random: systemRandom, user: users.maker })
  await makeDataFolder({ folder: data, binaries, users, access, isSynced: false })

  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log = openSync(path.join(folder, 'log'), 'a')
  const server = user.start(binaries.program('postgres'), ['-D', data, '-k', folder, ...flags], {
    env: binaries.env,
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  watchProcess(server, 'QUIT')
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  const url = (database: string) => `postgresql://postgres@localhost/${database}?host=${encodeURIComponent(folder)}`

  await waitFor(() => existsSync(path.join(folder, '.s.PGSQL.5432')), { what: 'the test cluster' })
  await makeTemplate(url)
  server.unref()
  return {
    url,
    stop: async () => {
      server.ref()
      server.kill('SIGQUIT')
      await ended
    },
  }
}

async function makeTemplate(url: Cluster['url']): Promise<void> {
  const log = createLog({ level: 'silent' })
  const admin = createDatabase({ url: url('postgres'), poolSize: 1, log })
  await waitFor(() => admin.isHealthy(), { what: 'the test cluster' })
  await admin.maintenance.raw(`CREATE DATABASE ${templateName}`)
  await admin.close()
  const template = createDatabase({ url: url(templateName), poolSize: 1, log })
  await migrateUnderLock({ knex: template.maintenance, log })
  await migrateQueue({ url: url(templateName), log })
  await template.close()
}
