/**
 * `npm run bench -- --documents`: measures discovery and the JWKS against a bare `node:http` server
 * with the same headers and log line, alternately. Exits with 1 when Latchkey answers fewer than
 * 0.9 of its requests for the same CPU.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import type { MeasuredServer } from './servers.ts'
import { startBareDocuments, startLatchkey } from './servers.ts'
import { spread } from './statistics.ts'

const goal = 0.9
const paths = ['/.well-known/openid-configuration', '/jwks']

const { rounds, seconds, connections } = new Command('bench --documents')
  .description('Discovery and the JWKS beside a bare node:http server, interleaved in rounds on this machine.')
  .option('--rounds <n>', 'how often each is measured', Number, 7)
  .option('--seconds <n>', 'how long each measurement lasts', Number, 2)
  .option('--connections <n>', 'connections, each with one request under way', Number, 16)
  .parse()
  .opts<{ rounds: number; seconds: number; connections: number }>()

/**
 * One connection that sends the next request after each answer. Returns the number of answers. The
 * client does little work, so that the server is measured.
 */
function ask(issuer: string, path: string, length: number, untilMs: number): Promise<number> {
  const { hostname, port } = new URL(issuer)
  const request = `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUser-Agent: bench\r\n\r\n`
  return new Promise((resolve, reject) => {
    let received = 0
    let answers = 0
    const socket = connect(Number(port), hostname, () => socket.write(request))
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      received += chunk.length
      if (received < length) return
      if (received > length) reject(new Error(`${path}: an answer of ${received} bytes in place of ${length}`))
      received = 0
      answers += 1
      if (performance.now() < untilMs) socket.write(request)
      else socket.end(() => resolve(answers))
    })
  })
}

/** The bytes of one answer, head and body. Its status must be 200. */
function lengthOf(issuer: string, path: string): Promise<number> {
  const { hostname, port } = new URL(issuer)
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(port), hostname, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUser-Agent: bench\r\n\r\n`),
    )
    socket.setEncoding('latin1')
    socket.on('error', reject)
    socket.on('data', (chunk: string) => {
      text += chunk
      const head = text.indexOf('\r\n\r\n')
      const size = Number(/content-length: (\d+)/i.exec(text)?.[1])
      if (head < 0 || text.length < head + 4 + size) return
      socket.end()
      if (text.startsWith('HTTP/1.1 200')) resolve(text.length)
      else reject(new Error(text.slice(0, 200)))
    })
  })
}

async function measure(server: MeasuredServer, path: string) {
  const length = await lengthOf(server.issuer, path)
  const before = await server.usage()
  const begunAt = performance.now()
  const asked = Array.from({ length: connections }, () => ask(server.issuer, path, length, begunAt + seconds * 1000))
  const answers = (await Promise.all(asked)).reduce((sum, one) => sum + one, 0)
  const elapsed = (performance.now() - begunAt) / 1000
  const { cpuMicros } = await server.usage()
  return { rate: answers / elapsed, cpu: (cpuMicros - before.cpuMicros) / answers }
}

const folder = mkdtempSync(join(tmpdir(), 'latchkey-documents-'))
const servers: MeasuredServer[] = []
try {
  const latchkey = await startLatchkey({
    folder,
    withRedis: false,
    logLevel: 'info',
    databaseUrl: process.env.DATABASE_URL,
  })
  if (!latchkey) throw new Error('the server did not start')
  servers.push(latchkey)
  const bare = await startBareDocuments(folder, latchkey, paths)
  servers.push(bare)
  console.log(
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), Node ${process.version}; ${rounds} rounds of ${seconds} s`,
  )
  for (const path of paths) {
    const ratios: { rate: number; cpu: number }[] = []
    for (let round = 0; round <= rounds; round += 1) {
      const isFirst = round % 2 === 0
      const measured = await measure(isFirst ? latchkey : bare, path)
      const other = await measure(isFirst ? bare : latchkey, path)
      const [own, theirs] = isFirst ? [measured, other] : [other, measured]
      // Round 0 warms up.
      if (round > 0) ratios.push({ rate: own.rate / theirs.rate, cpu: theirs.cpu / own.cpu })
      if (round === rounds)
        console.log(
          `${path}: ${Math.round(own.rate)} requests/s in the last round, ${own.cpu.toFixed(0)} µs of CPU each`,
        )
    }
    const [rate, cpu] = [spread(ratios.map((ratio) => ratio.rate)), spread(ratios.map((ratio) => ratio.cpu))]
    const holds = cpu.median >= goal
    const show = ({ median, min, max }: typeof rate) => `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
    console.log(
      `${holds ? 'holds ' : 'MISSED'} ${path}: ${show(rate)} of the bare server's rate, ${show(cpu)} for the same CPU`,
    )
    if (!holds) process.exitCode = 1
  }
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  for (const server of servers) await server.close()
  rmSync(folder, { recursive: true, force: true })
}
