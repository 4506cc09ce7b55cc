/** Jest's global set-up: serves the cluster's URL. The first request starts the cluster. */
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import type { Cluster } from './cluster.ts'
import { startCluster } from './cluster.ts'
import { createTestFolder } from './folders.ts'

/** Names the socket that serves the URL of the cluster. */
export const clusterVariable = 'LATCHKEY_TEST_CLUSTER'

export type ClusterAnswer = { url: string } | { error: string }

export default async function setUp(): Promise<void> {
  // A series of runs, such as that of the mutants, shares one cluster.
  if (process.env[clusterVariable] && existsSync(process.env[clusterVariable])) return
  let starting: Promise<Cluster> | undefined
  const server = createServer((socket) => {
    // A worker may end before its answer.
    socket.on('error', () => {})
    starting ??= startCluster()
    starting.then(
      (cluster) => socket.end(JSON.stringify({ url: cluster.url('DATABASE') } satisfies ClusterAnswer)),
      (error: Error) => socket.end(JSON.stringify({ error: error.stack ?? error.message } satisfies ClusterAnswer)),
    )
  })
  const socketPath = path.join(createTestFolder(), 'cluster')
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  server.unref()
  process.env[clusterVariable] = socketPath
  Object.assign(globalThis, {
    latchkeyTearDown: async () => {
      server.close()
      // Each worker has reported the failed start.
      const cluster = await starting?.catch(() => undefined)
      await cluster?.stop()
    },
  })
}
