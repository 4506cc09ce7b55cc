/**
 * How to reach the embedded Postgres: a socket that only its user may open, or on Windows, TCP on
 * loopback with a password.
 */
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Random } from '../../random.ts'
import { embeddedSocketFolder } from './errors.ts'
import type { RunAs } from './run-as.ts'

export type Transport = 'socket' | 'tcp'

/** `host` is the socket's folder or an IP address. */
export type Endpoint = { host: string; port: number; password: string | undefined }

const user = 'postgres'
const database = 'postgres'
const socketPort = 5432
const loopback = '127.0.0.1'
const passwordFile = 'latchkey-password'
// A socket path has at most 107 bytes on Linux and 103 on macOS. The folder may use 103 without
// the longest file name in it, the lock file.
const longestSocketFolder = 103 - '/.s.PGSQL.5432.lock'.length

/** The connection settings for pg. */
export const clientConfig = ({ host, port, password }: Endpoint) => ({ host, port, user, database, password })

/** The same as a URL. */
export function endpointUrl({ host, port, password }: Endpoint): string {
  if (host.startsWith('/')) return `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
  return `postgresql://${user}:${password}@${host}:${port}/${database}`
}

/**
 * The password of a data folder for TCP. A socket needs none, because only its user may open its
 * folder.
 */
export function readPassword(dataFolder: string): string | undefined {
  const file = path.join(dataFolder, passwordFile)
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
}

/**
 * Writes the password file for TCP. Gives the arguments of initdb, `finish` to move the file into
 * the data folder, and `abandon` to delete it.
 */
export function createAccess(transport: Transport, { folder, random, user: runAs }: AccessOptions) {
  if (transport === 'socket') return { args: ['--auth=trust'], finish: () => {}, abandon: () => {} }
  const file = `${folder}.password-${process.pid}`
  writeFileSync(file, `${random.token()}\n`, { mode: 0o600 })
  runAs.changeOwner(file)
  return {
    args: ['--auth=scram-sha-256', `--pwfile=${file}`],
    finish: (madeFolder: string) => renameSync(file, path.join(madeFolder, passwordFile)),
    abandon: () => rmSync(file, { force: true }),
  }
}

type AccessOptions = { folder: string; random: Random; user: RunAs }

/** Postgres' settings for a start at the `known` endpoint, or for the first start. */
export async function listenSettings(
  transport: Transport,
  { folder, user, known }: { folder: string; user: RunAs; known: Endpoint | undefined },
): Promise<Readonly<Record<string, string>>> {
  if (transport === 'tcp') {
    const port = known?.port ?? (await freePort())
    return { listen_addresses: loopback, port: String(port), unix_socket_directories: '' }
  }
  return {
    listen_addresses: '',
    port: String(socketPort),
    unix_socket_directories: socketFolder(folder, user),
    unix_socket_permissions: '0700',
  }
}

// The data folder, unless its path is too long: then a short one, the same at every start.
function socketFolder(folder: string, user: RunAs): string {
  if (Buffer.byteLength(folder) <= longestSocketFolder) return folder
  const short = path.join(tmpdir(), `latchkey-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`)
  if (!existsSync(short)) user.makeFolder(short)
  // Every user may write to the temporary folder, so another user could have created this name.
  const { uid, mode } = lstatSync(short)
  const isOurs = lstatSync(short).isDirectory() && uid === user.owner?.uid && (mode & 0o077) === 0
  if (!isOurs) throw embeddedSocketFolder({ params: { folder: short } })
  return short
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, loopback, resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
