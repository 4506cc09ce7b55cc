/**
 * The change feed: one connection that listens for the keys of changed rows (see
 * migrations/0000_change_feed.ts).
 */
import type { Client, Notification } from 'pg'
import type { Log } from '../log.ts'
import { createClient } from './connection.ts'

export type ChangeFeed = {
  /**
   * Calls `listener` with the key of each changed row of `table`; an empty key means any row.
   * Returns the function that unsubscribes.
   */
  subscribe: (table: string, listener: (key: string) => void) => () => void
  /** While false, changes may be missed: a cache must ask the database. */
  isConnected: () => boolean
  /**
   * Calls `listener` each time the connection is lost or restored; changes in between were missed.
   * Returns the function that unsubscribes.
   */
  onConnectionChange: (listener: (connected: boolean) => void) => () => void
  /** Resolves when the feed is connected, or at `close`. Never rejects. */
  whenConnected: () => Promise<void>
  close: () => Promise<void>
}

const channel = 'latchkey_change'
const firstDelayMs = 50
const longestDelayMs = 2_000
// A lost connection can look open, and a pooler may lend one that does not listen, so the feed asks
// often. Caches must notice within one second, so that a disabled client gets no more tokens.
const heartbeatMs = 250
const timeoutMs = 600
/** A connection that does not answer is reported within this time. */
export const longestSilenceMs = heartbeatMs + timeoutMs
// By the name of this column, `pg_stat_activity` shows which connection listens.
const listens = `SELECT 1 AS "LISTEN" FROM pg_listening_channels() AS c WHERE c = '${channel}'`

type ChangeFeedOptions = {
  url: string
  name?: string | undefined
  /** True behind a pooler in session mode, which keeps the session but refuses settings. */
  isPooled?: boolean | undefined
  log: Log
}

/**
 * Connects in the background. Reconnects after 50 ms, later after at most 2 s. Postgres shows
 * `name`.
 */
export function createChangeFeed({ url, name, isPooled, log }: ChangeFeedOptions): ChangeFeed {
  const tables = new Map<string, Set<(key: string) => void>>()
  const connectionListeners = new Set<(connected: boolean) => void>()
  let client: Client | undefined
  let timer: NodeJS.Timeout | undefined
  let heartbeat: NodeJS.Timeout | undefined
  let isConnected = false
  let isClosed = false
  let delayMs = firstDelayMs

  function setConnected(connected: boolean, error?: unknown) {
    if (connected === isConnected) return
    isConnected = connected
    if (!connected && !isClosed)
      log.warn({ err: error }, 'the change feed lost its connection; caches are bypassed until it returns')
    for (const listener of [...connectionListeners]) listener(connected)
  }

  function deliver({ payload = '' }: Notification) {
    const colon = payload.indexOf(':')
    if (colon < 0) return
    for (const listener of [...(tables.get(payload.slice(0, colon)) ?? [])]) listener(payload.slice(colon + 1))
  }

  function retry(broken: Client, error?: unknown) {
    if (client !== broken) return
    client = undefined
    clearInterval(heartbeat)
    setConnected(false, error)
    broken.removeListener('notification', deliver)
    // An error of `end` is ignored: Postgres closes its side of a broken connection.
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
    next.on('error', (error) => retry(next, error))
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
    let isAsking = false
    heartbeat = setInterval(() => {
      if (isAsking) return
      isAsking = true
      void checkListening(next).finally(() => {
        isAsking = false
      })
    }, heartbeatMs)
    heartbeat.unref()
    setConnected(true)
  }

  /**
   * Asks whether the connection listens. After `timeoutMs` the feed counts as disconnected.
   * After pg's `query_timeout` (6 s) the connection is closed and a new one is opened.
   */
  async function checkListening(listener: Client): Promise<void> {
    let isAnswered = false
    // The answer may have arrived unread because this process was busy: read it first.
    const whenLate = () => void setImmediate(() => !isAnswered && client === listener && setConnected(false))
    const timeout = setTimeout(whenLate, timeoutMs)
    timeout.unref()
    try {
      const { rows } = await listener.query(listens)
      isAnswered = true
      if (client !== listener) return
      if (rows.length === 0) retry(listener)
      else setConnected(true)
    } catch (error) {
      retry(listener, error)
    } finally {
      clearTimeout(timeout)
    }
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
      // The connection may be broken, and nothing uses it any more.
      await open?.end().catch(() => {})
    },
  }
}
