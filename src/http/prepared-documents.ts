/**
 * Public documents that are the same for every client, answered from memory before the application
 * runs.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Middleware } from 'koa'
import type { Random } from '../random.ts'
import type { LogRequest } from './access-log.ts'

type Deps = {
  /** Exact paths. The application's response there may depend only on `versionsOf`. */
  paths: readonly string[]
  /**
   * The inputs of the documents: stored responses are used while each of these values is the same.
   */
  versionsOf: () => readonly unknown[]
  /** Whether a stored response may be used now. Otherwise the application answers. */
  isConfirmed: () => boolean
  ipOf: (request: IncomingMessage) => string
  logRequest: LogRequest
  random: Pick<Random, 'id'>
}

type Prepared = Readonly<{
  versions: readonly unknown[]
  headers: readonly string[]
  /** ASCII text: Node writes it together with the headers, which a buffer would prevent. */
  body: string | Buffer
}>

const requestIdHeader = 'x-request-id'

/** The application answers a request with a condition or a body. */
const isPlain = ({ method, headers }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD') &&
  headers['if-none-match'] === undefined &&
  headers['content-length'] === undefined &&
  headers['transfer-encoding'] === undefined

/** The headers in the form that Node writes directly: alternating names and values. */
function headersOf(response: ServerResponse, body: string | Buffer): string[] {
  const { [requestIdHeader]: _, 'content-length': __, ...headers } = response.getHeaders()
  const pairs = Object.entries({ ...headers, 'content-length': body.length })
  return pairs.flatMap(([name, value]) => [name, String(value)])
}

export function createPreparedDocuments({ paths, versionsOf, isConfirmed, ipOf, logRequest, random }: Deps) {
  const documents = new Map<string, Prepared | undefined>(paths.map((path) => [path, undefined]))

  function current(path: string): Prepared | undefined {
    const found = documents.get(path)
    if (!found || !isConfirmed()) return undefined
    const versions = versionsOf()
    return found.versions.every((version, index) => version === versions[index]) ? found : undefined
  }

  async function storeAnswer(ctx: Context, next: () => Promise<unknown>): Promise<void> {
    // Read before the document is created, so that a change meanwhile invalidates it.
    const versions = versionsOf()
    await next()
    if (ctx.status !== 200 || ctx.method !== 'GET') return
    const text = typeof ctx.body === 'string' ? ctx.body : JSON.stringify(ctx.body)
    const bytes = Buffer.from(text)
    const body = bytes.length === text.length ? text : bytes
    documents.set(ctx.path, { versions, body, headers: headersOf(ctx.res, body) })
  }

  const store: Middleware = (ctx, next) => (documents.has(ctx.path) ? storeAnswer(ctx, next) : next())

  return {
    /**
     * Stores the application's responses at these paths. Runs before everything that sets a header.
     */
    store,

    /** Answers a request for a stored document; returns false when the application must answer. */
    answer(request: IncomingMessage, response: ServerResponse): boolean {
      const path = request.url ?? ''
      if (!documents.has(path) || !isPlain(request)) return false
      const document = current(path)
      if (!document) return false
      const requestId = random.id()
      const ip = ipOf(request)
      logRequest(request, response, { requestId, describe: () => ({ path, status: 200, ip }) })
      response.writeHead(200, [...document.headers, requestIdHeader, requestId])
      if (request.method === 'HEAD') response.end()
      else response.end(document.body, 'latin1')
      return true
    },
  }
}
