/**
 * A bare `node:http` server that writes given answers and a log line: the baseline for Latchkey's
 * public documents.
 */
import { createServer } from 'node:http'
import { createLog } from '../src/log.ts'
import { systemRandom } from '../src/random.ts'

type Document = { headers: string[]; body: string }

const documents = JSON.parse(process.env.BENCH_DOCUMENTS ?? '{}') as Record<string, Document>
const bodies = new Map(Object.entries(documents).map(([path, { body }]) => [path, Buffer.from(body)]))
const log = createLog({ level: 'info' })

const server = createServer((request, response) => {
  const path = request.url ?? ''
  const document = documents[path]
  if (!document) {
    response.writeHead(404).end()
    return
  }
  const requestId = systemRandom.id()
  const startedAt = Date.now()
  response.once('close', () => {
    const line = {
      requestId,
      method: request.method,
      path,
      status: 200,
      ms: Date.now() - startedAt,
      address: request.socket.remoteAddress,
      userAgent: request.headers['user-agent'],
    }
    log.info(line, 'request')
  })
  response.writeHead(200, [...document.headers, 'x-request-id', requestId])
  response.end(bodies.get(path))
})
server.listen(Number(process.env.PORT), 'localhost')
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeAllConnections()
})
