/**
 * A TCP proxy that a test can cut: silently, like a pulled cable, or with resets, like a firewall.
 */
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { releasedAtEnd } from '../support/cleanup.ts'

export type StallingProxy = {
  port: number
  /**
   * From now on nothing passes, without an error. New connections are accepted and get no answer.
   */
  stall: () => void
  /** From now on every connection is reset. */
  reset: () => void
  /** Lets everything pass again. Stalled connections are reset, as after a long cable failure. */
  mend: () => void
  close: () => Promise<void>
}

export async function startStallingProxy(targetPort: number): Promise<StallingProxy> {
  let state: 'open' | 'stalled' | 'reset' = 'open'
  const sockets = new Set<Socket>()
  const dropAll = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  const server = createServer((client) => {
    // The other side of the proxy may end at any time.
    client.on('error', () => {})
    client.on('close', () => sockets.delete(client))
    sockets.add(client)
    if (state === 'reset') client.resetAndDestroy()
    if (state !== 'open') return
    const target = connect(targetPort, '127.0.0.1')
    sockets.add(target)
    target.on('close', () => sockets.delete(target))
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      // An error on one side ends the other side.
      from.on('error', () => to.destroy())
      from.on('data', (chunk) => {
        if (state === 'open') to.write(chunk)
      })
      from.on('end', () => to.end())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    stall: () => {
      state = 'stalled'
    },
    reset: () => {
      state = 'reset'
      dropAll()
    },
    mend: () => {
      state = 'open'
      dropAll()
    },
    close: releasedAtEnd(async () => {
      dropAll()
      await new Promise((resolve) => server.close(resolve))
    }),
  }
}
