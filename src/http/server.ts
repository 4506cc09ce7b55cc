/** The settings of Node's HTTP server, and its response to input that is not a valid request. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * For `http.createServer`, in milliseconds and bytes. The headers can contain a 16,000-character
 * assertion in a query.
 */
export const serverOptions = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // By default Node compares the times above only every 30 seconds.
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 32 * 1024,
} as const

const answers: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** Answers a request that Node's parser refuses with the right status and our headers. */
export function answerUnparsable(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const status = answers[error.code ?? ''] ?? '400 Bad Request'
    const headers = [
      "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
      'X-Content-Type-Options: nosniff',
      'Cache-Control: no-store',
      'Connection: close',
      'Content-Length: 0',
    ]
    socket.end(`HTTP/1.1 ${status}\r\n${headers.join('\r\n')}\r\n\r\n`)
  })
}
