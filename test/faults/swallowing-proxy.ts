/**
 * A TCP proxy without HTTP: some connections read the server's whole answer and close without
 * forwarding any of it.
 */
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { releasedAtEnd } from '../support/cleanup.ts'

type Options = {
  /** Ports of the servers behind it; connections alternate between them. */
  targets: readonly number[]
  /** Whether this connection, counted from 0, loses its answer. */
  isSwallowed: (connection: number) => boolean
}

/** Connections must not be reused: each one is for one request. */
export async function startSwallowingProxy({ targets, isSwallowed }: Options) {
  let connections = 0
  let swallowed = 0
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const number = connections++
    const upstream = connect({ port: targets[number % targets.length]!, host: 'localhost' })
    const destroyBoth = () => {
      client.destroy()
      upstream.destroy()
    }
    client.on('error', destroyBoth)
    upstream.on('error', destroyBoth)
    client.pipe(upstream)
    if (!isSwallowed(number)) {
      upstream.pipe(client)
      return
    }
    upstream.resume()
    upstream.on('end', () => {
      swallowed += 1
      destroyBoth()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stopped = () => new Promise<void>((resolve) => server.close(() => resolve()))
  return {
    port: (server.address() as AddressInfo).port,
    /** The number of whole answers that were swallowed so far. */
    swallowed: () => swallowed,
    close: releasedAtEnd(stopped),
  }
}
