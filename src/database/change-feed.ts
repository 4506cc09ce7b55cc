/** The change feed: one connection that listens for the keys of changed rows (see migrations/0000_change_feed.ts). */
import type { Client, Notification } from 'pg'
import type { Log } from '../log.ts'
import { createClient } from './connection.ts'

export type ChangeFeed = {
  /** Calls `listener` with the key of each changed row of `table`; an empty key means any row. Gives the function that ends it. */
  subscribe: (table: string, listener: (key: string) => void) => () => void
  /** While false, changes are being missed: whoever caches must ask the database. */
  isConnected: () => boolean
  /** Calls `listener` at each loss and return of the connection; changes in between were missed. Gives the function that ends it. */
  onConnectionChange: (listener: (connected: boolean) => void) => () => void
  /** Resolves once the feed is connected, for start-up; never rejects. */
  whenConnected: () => Promise<void>
  close: () => Promise<void>
}

const channel = 'latchkey_change'
const firstDelayMs = 50
const longestDelayMs = 2_000
// A connection cut without a word still looks open: ask now and then, and give up on silence (query_timeout of the connection).
const heartbeatMs = 5_000

type ChangeFeedOptions = {
  url: string
  name?: string | undefined
  /** True behind a pooler in session mode, which leaves a connection its session but refuses settings. */
  isPooled?: boolean | undefined
  log: Log
}

/** `name` is what Postgres shows of the connection. Connects in the background and reconnects by itself, waiting 50 ms at first and at most 2 s between attempts. */
export function createChangeFeed({ url, name, isPooled, log }: ChangeFeedOptions): ChangeFeed {
  const tables = new Map<string, Set<(key: string) => void>>()
  const connectionListeners = new Set<(connected: boolean) => void>()
  let client: Client | undefined
  let timer: NodeJS.Timeout | undefined
  let heartbeat: NodeJS.Timeout | undefined
  let isConnected = false
  let isClosed = false
  let delayMs = firstDelayMs

  function setConnected(connected: boolean) {
    if (connected === isConnected) return
    isConnected = connected
    if (!connected && !isClosed) log.warn('the change feed lost its connection; caches are bypassed until it returns')
    for (const listener of [...connectionListeners]) listener(connected)
  }

  function deliver({ payload = '' }: Notification) {
    const colon = payload.indexOf(':')
    if (colon < 0) return
    for (const listener of [...(tables.get(payload.slice(0, colon)) ?? [])]) listener(payload.slice(colon + 1))
  }

  function retry(broken: Client) {
    if (client !== broken) return
    client = undefined
    clearInterval(heartbeat)
    setConnected(false)
    broken.removeListener('notification', deliver)
    void broken.end().catch(() => {})
    if (isClosed) return
    timer = setTimeout(() => void connect(), delayMs)
    timer.unref()
    delayMs = Math.min(delayMs * 2, longestDelayMs)
  }

  async function connect() {
    const next = createClient({ url, name, isPooled })
    client = next
    next.on('notification', deliver)
    next.on('error', () => retry(next))
    next.on('end', () => retry(next))
    try {
      await next.connect()
      await next.query(`LISTEN ${channel}`)
    } catch (error) {
      log.debug({ err: error }, 'the change feed cannot connect')
      retry(next)
      return
    }
    if (client !== next) return
    delayMs = firstDelayMs
    heartbeat = setInterval(() => void next.query('SELECT 1').catch(() => retry(next)), heartbeatMs)
    heartbeat.unref()
    setConnected(true)
  }

  const connecting = connect()

  return {
    subscribe: (table, listener) => {
      const listeners = tables.get(table) ?? new Set()
      tables.set(table, listeners.add(listener))
      return () => void listeners.delete(listener)
    },
    isConnected: () => isConnected,
    onConnectionChange: (listener) => {
      connectionListeners.add(listener)
      return () => void connectionListeners.delete(listener)
    },
    whenConnected: async () => {
      if (isConnected) return
      await new Promise<void>((resolve) => {
        const listener = (connected: boolean) => {
          if (!connected && !isClosed) return
          connectionListeners.delete(listener)
          resolve()
        }
        connectionListeners.add(listener)
      })
    },
    close: async () => {
      isClosed = true
      clearTimeout(timer)
      clearInterval(heartbeat)
      await connecting
      const open = client
      client = undefined
      setConnected(false)
      await open?.end().catch(() => {})
    },
  }
}
