/** What the examples share: an HTTP server on localhost that can be started and stopped. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Running = { url: string; close: () => Promise<void> }
export type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void> | void

/**
 * Listens on `port` of localhost (0: any free port). When a handler throws, the answer is 500 and
 * the error is printed. Returns the URL with a trailing slash, and `close`, which also ends
 * keep-alive connections.
 */
export async function listen(port: number, handler: Handler): Promise<Running> {
  const server = createServer(async (req, res) => {
    try {
      await handler(req, res)
    } catch (error) {
      console.error(error)
      if (!res.headersSent) res.writeHead(500, { 'content-type': 'text/plain' })
      res.end('Something went wrong; the terminal says what.\n')
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, 'localhost', resolve)
  })
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url: `http://localhost:${(server.address() as AddressInfo).port}/`, close }
}
