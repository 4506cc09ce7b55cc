/**
 * The connection to Redis, one server or a cluster. It always reconnects, and fails fast while
 * Redis is unavailable.
 */
import type { ClusterNode, RedisOptions } from 'ioredis'
import { Cluster, Redis } from 'ioredis'
import type { Log } from '../log.ts'
import { createFailureLog } from '../log.ts'

export type RedisState = 'ok' | 'away' | 'refuses_writes'

export type RedisConnection = {
  /**
   * For every part that stores data in Redis. Commands reject at once while Redis is unavailable.
   */
  client: Redis | Cluster
  /**
   * Whether Redis accepts a write within one second: it may be full, or a replica after a failover.
   * Never throws.
   */
  state: () => Promise<RedisState>
  isHealthy: () => Promise<boolean>
  /**
   * Resolves at the first connection or after `deadlineMs`; true when connected. A server also
   * starts without Redis.
   */
  whenReady: (deadlineMs: number) => Promise<boolean>
  close: () => Promise<void>
}

const commandTimeoutMs = 1_000
const connectTimeoutMs = 2_000
const longestPauseMs = 1_000
const healthKeyMs = 60_000

const pauseBefore = (attempt: number): number => Math.min(attempt * 50, longestPauseMs)

// No queue and no repeated command while Redis is unavailable: waiting requests would block
// requests that need no Redis.
const options: RedisOptions = {
  commandTimeout: commandTimeoutMs,
  connectTimeout: connectTimeoutMs,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  retryStrategy: pauseBefore,
  // After a failover the server at the old address may be a replica.
  reconnectOnError: (error) => error.message.startsWith('READONLY'),
}

type ClusterAddress = { nodes: ClusterNode[]; username?: string; password?: string; isTls: boolean }

/**
 * `redis+cluster://user:password@host:port,host:port`, or `rediss+cluster:` for TLS; undefined when
 * `url` names one server.
 */
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
    // Uses the names that the nodes announce, so that their certificates match.
    dnsLookup: (host, callback) => callback(null, host),
    redisOptions: { ...options, username, password, ...(isTls && { tls: {} }) },
  })
}

/**
 * Starts to connect to `url`: redis:// or rediss:// for one server, redis+cluster:// or
 * rediss+cluster:// with comma-separated nodes for a cluster.
 */
export function createRedis({ url, log }: { url: string; log: Log }): RedisConnection {
  const client = connect(url)
  let isUnavailable = false
  // One line when Redis becomes unavailable and one when it is available again, however many
  // reconnections fail.
  client.on('error', (error: Error) => {
    if (!isUnavailable) log.warn({ err: error }, 'Redis is away')
    isUnavailable = true
  })
  client.on('ready', () => {
    if (isUnavailable) log.info('Redis is back')
    isUnavailable = false
  })

  const refusing = createFailureLog(log, 'Redis refuses writes')
  const state = async (): Promise<RedisState> => {
    try {
      // Any key works: in a cluster this tests the node of its slot.
      await client.set('latchkey:health', '1', 'PX', healthKeyMs)
      refusing.succeeded()
      return 'ok'
    } catch (error) {
      // A lost connection is logged by the listener above.
      if (!(error instanceof Error && error.name === 'ReplyError')) return 'away'
      refusing.failed(error)
      return 'refuses_writes'
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

/** The configured connection; undefined: everything is stored in Postgres. */
export const openRedis = ({ url, log }: { url: string | undefined; log: Log }): RedisConnection | undefined =>
  url === undefined ? undefined : createRedis({ url, log })
