/** Public documents that are the same for every client, answered from memory in front of the application. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Middleware } from 'koa'
import type { Random } from '../random.ts'
import type { LogRequest } from './access-log.ts'

type Deps = {
  /** Exact paths. What the application answers there may depend on nothing but `versionsOf`. */
  paths: readonly string[]
  /** What the documents are made from: kept answers are used while each of these values is the same. */
  versionsOf: () => readonly unknown[]
  /** Whether a kept answer may be given now. Otherwise the application decides. */
  isConfirmed: () => boolean
  ipOf: (request: IncomingMessage) => string
  logRequest: LogRequest
  random: Pick<Random, 'id'>
}

type Prepared = Readonly<{ versions: readonly unknown[]; headers: readonly string[]; body: Buffer }>

const requestIdHeader = 'x-request-id'

/** A request that differs from a plain one (condition, body) is the application's. */
const isPlain = ({ method, headers }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD') &&
  headers['if-none-match'] === undefined &&
  headers['content-length'] === undefined &&
  headers['transfer-encoding'] === undefined

/** The headers as Node writes them at once: names and values in turns. */
function headersOf(response: ServerResponse, body: Buffer): string[] {
  const { [requestIdHeader]: _, 'content-length': __, ...headers } = response.getHeaders()
  const pairs = Object.entries({ ...headers, 'content-length': body.length })
  return pairs.flatMap(([name, value]) => [name, String(value)])
}

export function createPreparedDocuments({ paths, versionsOf, isConfirmed, ipOf, logRequest, random }: Deps) {
  const kept = new Map<string, Prepared | undefined>(paths.map((path) => [path, undefined]))

  function current(path: string): Prepared | undefined {
    const found = kept.get(path)
    if (!found || !isConfirmed()) return undefined
    const versions = versionsOf()
    return found.versions.every((version, index) => version === versions[index]) ? found : undefined
  }

  async function keepAnswer(ctx: Context, next: () => Promise<unknown>): Promise<void> {
    // Read before the document is made: a change meanwhile makes it anew.
    const versions = versionsOf()
    await next()
    if (ctx.status !== 200 || ctx.method !== 'GET') return
    const body = Buffer.from(typeof ctx.body === 'string' ? ctx.body : JSON.stringify(ctx.body))
    kept.set(ctx.path, { versions, body, headers: headersOf(ctx.res, body) })
  }

  const keep: Middleware = (ctx, next) => (kept.has(ctx.path) ? keepAnswer(ctx, next) : next())

  return {
    /** Keeps what the application answers at these paths. Stands in front of everything that sets a header. */
    keep,

    /** Answers a request for a kept document; gives false when the application has to answer. */
    answer(request: IncomingMessage, response: ServerResponse): boolean {
      const path = request.url ?? ''
      if (!kept.has(path) || !isPlain(request)) return false
      const document = current(path)
      if (!document) return false
      const requestId = random.id()
      const ip = ipOf(request)
      logRequest(request, response, { requestId, describe: () => ({ path, status: 200, ip }) })
      response.writeHead(200, [...document.headers, requestIdHeader, requestId])
      if (request.method === 'HEAD') response.end()
      else response.end(document.body)
      return true
    },
  }
}
