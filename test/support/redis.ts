/**
 * Redis servers for a test: one, or a cluster of three. The test starts, kills and restarts them.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { releasedAtEnd } from './cleanup.ts'
import { createTestFolder } from './folders.ts'
import { findFreePorts } from './ports.ts'
import { getProgram } from './programs.ts'
import { waitFor } from './wait.ts'
import { watchProcess } from './watchdog.ts'

export type RedisServer = {
  /** redis://127.0.0.1:<port> */
  url: string
  port: number
  /** Changes a setting while it runs (CONFIG SET). */
  set: (name: string, value: string) => Promise<void>
  start: () => Promise<void>
  /** kill -9. Its data is lost. */
  kill: () => Promise<void>
  close: () => Promise<void>
}

/** `settings` are arguments of redis-server. Nothing is written to disk. */
export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  const [port = 0] = await findFreePorts(1)
  const server = createServer(port, createTestFolder(), settings)
  await server.start()
  return server
}

export type RedisCluster = {
  /** The redis+cluster:// URL with all three nodes. */
  url: string
  nodes: readonly RedisServer[]
  close: () => Promise<void>
}

/** Three nodes, each with a third of the slots, without replicas. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const folder = createTestFolder()
  const ports = await findFreePorts(6)
  const nodes = ports.slice(0, 3).map((port, index) => {
    const own = path.join(folder, String(port))
    mkdirSync(own)
    const bus = String(ports[3 + index])
    return createServer(port, own, [
      '--cluster-enabled',
      'yes',
      '--cluster-port',
      bus,
      '--cluster-node-timeout',
      '3000',
    ])
  })
  await Promise.all(nodes.map((node) => node.start()))
  const [first, ...others] = nodes
  for (const [index, node] of nodes.entries()) {
    const range = [index, index + 1].map((part) => Math.ceil((16_384 * part) / 3))
    await ask(node.port, `CLUSTER ADDSLOTSRANGE ${range[0]} ${(range[1] ?? 0) - 1}`)
    await ask(node.port, `CLUSTER SET-CONFIG-EPOCH ${index + 1}`)
  }
  for (const node of others)
    await ask(first?.port ?? 0, `CLUSTER MEET 127.0.0.1 ${node.port} ${ports[3 + nodes.indexOf(node)]}`)
  const isFormed = async (port: number) =>
    /cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(await ask(port, 'CLUSTER INFO'))
  for (const node of nodes) await waitFor(() => isFormed(node.port), { what: 'the Redis cluster' })
  return {
    url: `redis+cluster://${nodes.map((node) => `127.0.0.1:${node.port}`).join(',')}`,
    nodes,
    close: async () => void (await Promise.all(nodes.map((node) => node.close()))),
  }
}

function createServer(port: number, folder: string, settings: readonly string[]): RedisServer {
  let child: ChildProcess | undefined
  let ended = Promise.resolve()

  async function start() {
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no']
    child = spawn(getProgram('redis-server'), [...own, ...settings], { stdio: 'ignore', detached: true })
    const started = child
    watchProcess(started)
    ended = new Promise((resolve) => started.once('exit', () => resolve()))
    await waitFor(async () => (await ask(port, 'PING')).startsWith('+PONG'), { what: 'redis-server' })
  }
  async function kill() {
    child?.kill('SIGKILL')
    await ended
  }
  const set = async (name: string, value: string) => void (await ask(port, `CONFIG SET ${name} ${value}`))
  return { url: `redis://127.0.0.1:${port}`, port, set, start, kill, close: releasedAtEnd(kill) }
}

/** Sends one command in Redis' inline form, and returns the whole raw reply (RESP2). */
async function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(`${command}\r\nQUIT\r\n`))
    let answer = ''
    socket.on('data', (chunk) => (answer += String(chunk)))
    socket.on('error', reject)
    socket.on('close', () => (answer.startsWith('-') ? reject(new Error(`${command}: ${answer}`)) : resolve(answer)))
  })
}
