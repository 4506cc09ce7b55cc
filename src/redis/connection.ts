/** The connection to Redis, one server or a cluster: always trying to come back, and failing fast while it is away. */
import type { ClusterNode, RedisOptions } from 'ioredis'
import { Cluster, Redis } from 'ioredis'
import type { Log } from '../log.ts'

export type RedisState = 'ok' | 'away' | 'refuses_writes'

export type RedisConnection = {
  /** Handed to whoever keeps something in Redis. Commands reject at once while it is away. */
  client: Redis | Cluster
  /** How Redis answers a write within one second: it may be full, or a replica since a failover. Never throws. */
  state: () => Promise<RedisState>
  isHealthy: () => Promise<boolean>
  /** Resolves when the first connection stands, or after `deadlineMs`: gives whether it does. A server starts without Redis too. */
  whenReady: (deadlineMs: number) => Promise<boolean>
  close: () => Promise<void>
}

const commandTimeoutMs = 1_000
const connectTimeoutMs = 2_000
const longestPauseMs = 1_000
const healthKeyMs = 60_000

const pauseBefore = (attempt: number): number => Math.min(attempt * 50, longestPauseMs)

// No queue while it is away, no command sent twice: a request that waits for a dead Redis takes its slot from those that need none.
const options: RedisOptions = {
  commandTimeout: commandTimeoutMs,
  connectTimeout: connectTimeoutMs,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  retryStrategy: pauseBefore,
  // After a failover the old address may answer as a replica.
  reconnectOnError: (error) => error.message.startsWith('READONLY'),
}

type ClusterAddress = { nodes: ClusterNode[]; username?: string; password?: string; isTls: boolean }

/** `redis+cluster://user:password@host:port,host:port`, or `rediss+cluster:` for TLS; undefined when `url` names one server. */
function parseCluster(url: string): ClusterAddress | undefined {
  const parts =
    /^(?<scheme>rediss?)\+cluster:\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^@/?#]+)/.exec(url)
  if (!parts?.groups) return undefined
  const { scheme, user, password, hosts = '' } = parts.groups
  const nodes = hosts.split(',').map((host) => {
    const { hostname, port } = new URL(`redis://${host}`)
    return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) }
  })
  return {
    nodes,
    username: user ? decodeURIComponent(user) : undefined,
    password: password === undefined ? undefined : decodeURIComponent(password),
    isTls: scheme === 'rediss',
  }
}

function connect(url: string): Redis | Cluster {
  const cluster = parseCluster(url)
  if (!cluster) return new Redis(url, options)
  const { nodes, username, password, isTls } = cluster
  return new Cluster(nodes, {
    enableOfflineQueue: false,
    clusterRetryStrategy: pauseBefore,
    retryDelayOnFailover: 100,
    slotsRefreshTimeout: connectTimeoutMs,
    // Names as the nodes announce them, so that their certificates fit.
    dnsLookup: (host, callback) => callback(null, host),
    redisOptions: { ...options, username, password, ...(isTls && { tls: {} }) },
  })
}

/**
 * Begins to connect to `url`: redis:// or rediss:// for one server, redis+cluster:// or rediss+cluster:// with comma-separated
 * nodes for a cluster.
 */
export function createRedis({ url, log }: { url: string; log: Log }): RedisConnection {
  const client = connect(url)
  let isUnavailable = false
  // One line when it goes and one when it returns, however often the connection is tried in between.
  client.on('error', (error: Error) => {
    if (!isUnavailable) log.warn({ err: error }, 'Redis is away')
    isUnavailable = true
  })
  client.on('ready', () => {
    if (isUnavailable) log.info('Redis is back')
    isUnavailable = false
  })

  const state = async (): Promise<RedisState> => {
    try {
      // Any key does: in a cluster, the node that has its slot.
      await client.set('latchkey:health', '1', 'PX', healthKeyMs)
      return 'ok'
    } catch (error) {
      return error instanceof Error && error.name === 'ReplyError' ? 'refuses_writes' : 'away'
    }
  }

  return {
    client,
    state,
    isHealthy: async () => (await state()) === 'ok',
    whenReady: (deadlineMs) =>
      new Promise((resolve) => {
        if (client.status === 'ready') return resolve(true)
        const finish = (isReady: boolean) => () => {
          clearTimeout(timer)
          client.off('ready', onReady)
          resolve(isReady)
        }
        const onReady = finish(true)
        const timer = setTimeout(finish(false), deadlineMs)
        client.once('ready', onReady)
      }),
    close: async () => {
      client.disconnect()
    },
  }
}

/** The connection that the configuration names; undefined: everything is in Postgres. */
export const openRedis = ({ url, log }: { url: string | undefined; log: Log }): RedisConnection | undefined =>
  url === undefined ? undefined : createRedis({ url, log })
