/**
 * The stores under a measured server: a Redis or a Postgres database for the run, and the CPU that
 * their processes use.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** A free port of this machine. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

const redisServer = 'redis-server'

/** Starts Redis without persistence; undefined when the program is not installed. */
export async function startRedis(folder: string): Promise<{ url: string; process: ChildProcess } | undefined> {
  const port = await findFreePort()
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder]
  const child = spawn(redisServer, options, { stdio: 'ignore' })
  const isMissing = await Promise.race([once(child, 'spawn').then(() => false), once(child, 'error').then(() => true)])
  if (isMissing) return undefined
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`)
    await sleep(20)
  }
  return { url: `redis://127.0.0.1:${port}`, process: child }
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy() !== undefined))
    // Not yet: the caller asks again.
    socket.once('error', () => resolve(false))
  })

/** Creates an empty database next to that of `url`; `drop` removes it. */
export async function createDatabase(url: string, name: string): Promise<{ url: string; drop: () => Promise<void> }> {
  const run = async (statement: string) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }
  await run(`CREATE DATABASE ${name}`)
  const target = new URL(url)
  target.pathname = `/${name}`
  return { url: target.href, drop: () => run(`DROP DATABASE ${name} WITH (FORCE)`) }
}

// USER_HZ, the unit of /proc (proc(5)): 100 on every Linux that Node supports.
const microsPerTick = 10_000

type ProcessRow = { pid: number; parent: number; ticks: number; tickOfEnded: number }

function readProcess(pid: number): ProcessRow | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in brackets may contain anything; the numbers follow the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    return { pid, parent: Number(fields[1]), ticks, tickOfEnded: Number(fields[13]) + Number(fields[14]) }
  } catch {
    // The process has ended.
    return undefined
  }
}

const listProcesses = (): ProcessRow[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? [])

/**
 * The process of the program `program` whose command line names `folder`; undefined where there is
 * no /proc.
 */
export function findProcess(program: string, folder: string): number | undefined {
  if (process.platform !== 'linux') return undefined
  return listProcesses().find(({ pid }) => {
    const line = readCommandLine(pid)
    return line.split('\0')[0]?.endsWith(program) && line.includes(folder)
  })?.pid
}

function readCommandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // The process has ended.
    return ''
  }
}

/**
 * Microseconds of CPU of these processes and their children, to 10 ms; undefined where there is no
 * /proc.
 */
export function readTreeCpuMicros(roots: readonly number[]): number | undefined {
  if (process.platform !== 'linux' || roots.length === 0) return undefined
  const rows = listProcesses()
  const own = rows.filter(({ pid }) => roots.includes(pid)).map((row) => row.ticks + row.tickOfEnded)
  const children = rows.filter(({ parent }) => roots.includes(parent)).map((row) => row.ticks)
  return [...own, ...children].reduce((sum, ticks) => sum + ticks, 0) * microsPerTick
}
