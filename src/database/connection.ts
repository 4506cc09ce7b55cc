/**
 * Connections to Postgres: pg's client and pool, with the limits of the session. A failed
 * connection becomes `databaseUnavailable`.
 */
import pg from 'pg'
import { toDatabaseFailure } from './errors.ts'

/** The time limit of each statement (SQL 5 s). */
const statementTimeoutMs = 5_000
const idleInTransactionTimeoutMs = 10_000
const connectTimeoutMs = 3_000

type Callback = (error: unknown, ...rest: unknown[]) => void
// pg's functions return a promise, or call a callback that is the last argument: both are mapped
// here.
type PooledQuery = (...args: unknown[]) => unknown

const isPromise = (answer: unknown): answer is Promise<unknown> =>
  typeof answer === 'object' && answer !== null && 'catch' in answer

function mapErrors(ask: PooledQuery, onError: (error: unknown) => void = () => {}): PooledQuery {
  const toFailure = (error: unknown): unknown => {
    onError(error)
    return toDatabaseFailure(error)
  }
  return (...args) => {
    const callback = args.at(-1)
    if (typeof callback === 'function') {
      const answer: Callback = (error, ...rest) => (callback as Callback)(error && toFailure(error), ...rest)
      return ask(...args.slice(0, -1), answer)
    }
    const answer = ask(...args)
    if (!isPromise(answer)) return answer
    return answer.catch((error: unknown) => {
      throw toFailure(error)
    })
  }
}

/**
 * Removes the statement's name: behind a pooler, a named statement may be on another connection or
 * belong to another client.
 */
const unnamed =
  (ask: PooledQuery): PooledQuery =>
  (query, ...rest) =>
    ask(typeof query === 'object' && query !== null && 'name' in query ? { ...query, name: undefined } : query, ...rest)

type MappedConfig = pg.ClientConfig & { isPooled?: boolean | undefined }

class MappedClient extends pg.Client {
  constructor(options?: MappedConfig) {
    super(options)
    // A broken connection rejects the query and also emits this event, which would end the process
    // without a listener.
    this.on('error', () => {})
    const ask = super.query.bind(this) as PooledQuery
    this.query = mapErrors(options?.isPooled ? unnamed(ask) : ask, (error) => {
      // The server does not answer, and this connection would block every later query: never lend
      // it again.
      if (error instanceof Error && error.message === 'Query read timeout') void this.end().catch(() => {})
    }) as typeof this.query
  }
}

class MappedPool extends pg.Pool {
  constructor(options: pg.PoolConfig, beforeConnect: () => void) {
    super(options)
    const guarded =
      (ask: PooledQuery): PooledQuery =>
      (...args) => {
        beforeConnect()
        return ask(...args)
      }
    this.connect = guarded(mapErrors(super.connect.bind(this) as PooledQuery)) as typeof this.connect
    // The pool detects a broken connection before its query does, and then rejects with the
    // socket's error.
    this.query = guarded(mapErrors(super.query.bind(this) as PooledQuery)) as typeof this.query
  }
}

// int8 and count(*) as numbers: every bigint of the schema is a time in milliseconds or a count,
// far below 2^53.
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 && format !== 'binary'
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as pg.CustomTypesConfig['getTypeParser'],
}

export type ConnectionOptions = {
  url: string
  /** The name in pg_stat_activity. */
  name?: string | undefined
  /**
   * True behind a pooler such as PgBouncer. It refuses session settings, so only this process keeps
   * the time limit. It changes the connection between transactions, so statements have no names.
   */
  isPooled?: boolean | undefined
  /** True for migrations, which have no time limit. */
  isUnlimited?: boolean
}

/** pg's settings of a session: name, limits in milliseconds, keep-alive, and numbers for int8. */
function connectionConfig({ url, name, isPooled, isUnlimited }: ConnectionOptions): MappedConfig {
  const common = { connectionString: url, connectionTimeoutMillis: connectTimeoutMs, keepAlive: true, types, isPooled }
  const named = isPooled && name === undefined ? common : { ...common, application_name: name ?? 'latchkey' }
  if (isUnlimited) return named
  // Longer than the server's own limit: it only applies when the server stops answering (a cut
  // cable).
  const limited = { ...named, query_timeout: statementTimeoutMs + 1_000 }
  if (isPooled) return limited
  return {
    ...limited,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
  }
}

/** One connection outside any pool, for the change feed. Not connected yet. */
export const createClient = (options: ConnectionOptions): pg.Client => new MappedClient(connectionConfig(options))

type PoolOptions = ConnectionOptions & {
  size: number
  onError: (error: Error) => void
  /** Called before a connection is requested. Its error is thrown to the caller. */
  beforeConnect?: () => void
}

/**
 * A pool of at most `size` connections with mapped failures. It removes broken connections by
 * itself.
 */
export function createPool(options: PoolOptions): pg.Pool {
  const config = { ...connectionConfig(options), max: options.size, idleTimeoutMillis: 30_000, Client: MappedClient }
  const pool = new MappedPool(config, options.beforeConnect ?? (() => {}))
  pool.on('error', options.onError)
  return pool
}
