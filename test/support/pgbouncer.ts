/** PgBouncer as Debian installs it, in front of a Postgres server of a test. */
import { chownSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { startDaemon } from './daemon.ts'
import { createTestFolder } from './folders.ts'
import { findFreePort } from './ports.ts'
import { waitFor } from './wait.ts'

export type PgBouncer = {
  /** The URL of a database through PgBouncer. */
  url: (database: string) => string
  close: () => Promise<void>
}

export type PgBouncerOptions = {
  /** URL of any database of the Postgres server. */
  server: string
  mode: 'session' | 'transaction'
  /** Connections to Postgres that its clients share. */
  poolSize?: number
}

const nobody = 65534

/** Resolves when it answers. */
export async function startPgBouncer({ server, mode, poolSize = 4 }: PgBouncerOptions): Promise<PgBouncer> {
  const folder = createTestFolder()
  const port = await findFreePort()
  const users = path.join(folder, 'users')
  const settings = path.join(folder, 'pgbouncer.ini')
  writeFileSync(users, '"postgres" ""\n')
  writeFileSync(
    settings,
    `[databases]
* = host=127.0.0.1 port=${new URL(server).port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = ${mode}
default_pool_size = ${poolSize}
max_client_conn = 500
`,
  )
  // PgBouncer refuses to run as root.
  const isRoot = process.getuid?.() === 0
  if (isRoot) for (const place of [folder, users, settings]) chownSync(place, nobody, nobody)
  const close = startDaemon({ name: 'pgbouncer', args: [settings], folder, user: isRoot ? nobody : undefined })
  const url = (database: string) => `postgresql://postgres@127.0.0.1:${port}/${database}`
  await waitFor(() => answers(url('postgres')), { what: 'PgBouncer' })
  return { url, close }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  // The query rejects too.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } finally {
    // The connection may have failed.
    await client.end().catch(() => {})
  }
}
