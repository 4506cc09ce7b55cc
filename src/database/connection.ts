/** Connections to Postgres: pg's client and pool, with the session's limits, and a database that is away as `databaseUnavailable`. */
import pg from 'pg'
import { toDatabaseFailure } from './errors.ts'

/** No statement of a request runs longer (SQL 5 s). */
const statementTimeoutMs = 5_000
const idleInTransactionTimeoutMs = 10_000
const connectTimeoutMs = 3_000

type Callback = (error: unknown, ...rest: unknown[]) => void
// pg's functions answer by a promise, or by a callback given as the last argument: both are mapped here.
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

/** The same question as an unnamed statement: behind a pooler a named one may be on another connection, or be somebody else's. */
const unnamed =
  (ask: PooledQuery): PooledQuery =>
  (query, ...rest) =>
    ask(typeof query === 'object' && query !== null && 'name' in query ? { ...query, name: undefined } : query, ...rest)

type MappedConfig = pg.ClientConfig & { isPooled?: boolean | undefined }

class MappedClient extends pg.Client {
  constructor(options?: MappedConfig) {
    super(options)
    // A connection that breaks while it is lent out says so twice: to the query, and by this event, which would end the process.
    this.on('error', () => {})
    const ask = super.query.bind(this) as PooledQuery
    this.query = mapErrors(options?.isPooled ? unnamed(ask) : ask, (error) => {
      // The server has gone silent, and this connection would hold every later query as long: never lend it out again.
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
    // The pool hears of a connection that breaks before its query does, and then rejects with the socket's own error.
    this.query = guarded(mapErrors(super.query.bind(this) as PooledQuery)) as typeof this.query
  }
}

// int8 and count(*) as numbers: every bigint of the schema is a time in milliseconds or a count, far below 2^53.
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 && format !== 'binary'
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as pg.CustomTypesConfig['getTypeParser'],
}

export type ConnectionOptions = {
  url: string
  /** What Postgres shows in pg_stat_activity. */
  name?: string | undefined
  /**
   * True when a pooler such as PgBouncer stands between. It refuses session settings, so the limit is kept on our side alone, and
   * it changes the connection between transactions, so every statement is unnamed.
   */
  isPooled?: boolean | undefined
  /** True for migrations, which may run for as long as they need. */
  isUnlimited?: boolean
}

/** pg's settings for a session of Latchkey: name, limits in milliseconds, keep-alive, and numbers for int8. */
function connectionConfig({ url, name, isPooled, isUnlimited }: ConnectionOptions): MappedConfig {
  const common = { connectionString: url, connectionTimeoutMillis: connectTimeoutMs, keepAlive: true, types, isPooled }
  const named = isPooled && name === undefined ? common : { ...common, application_name: name ?? 'latchkey' }
  if (isUnlimited) return named
  // Longer than the server's own limit: only a server that is gone without a word (a cut cable) gets this far.
  const limited = { ...named, query_timeout: statementTimeoutMs + 1_000 }
  if (isPooled) return limited
  return {
    ...limited,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
  }
}

/** One connection outside any pool: the change feed's. Not connected yet. */
export const createClient = (options: ConnectionOptions): pg.Client => new MappedClient(connectionConfig(options))

type PoolOptions = ConnectionOptions & {
  size: number
  onError: (error: Error) => void
  /** Called before a connection is asked for. What it throws is thrown at the caller. */
  beforeConnect?: () => void
}

/** A pool of at most `size` connections whose failures are mapped; broken connections leave it by themselves. */
export function createPool(options: PoolOptions): pg.Pool {
  const config = { ...connectionConfig(options), max: options.size, idleTimeoutMillis: 30_000, Client: MappedClient }
  const pool = new MappedPool(config, options.beforeConnect ?? (() => {}))
  pool.on('error', options.onError)
  return pool
}
