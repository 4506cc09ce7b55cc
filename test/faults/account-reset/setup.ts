/**
 * Two servers on one database with their email, and more accounts than the races need: imported at
 * once, with one hash.
 */
import { randomUUID } from 'node:crypto'
import argon2 from 'argon2'
import pg from 'pg'
import { runCommand } from '../../cli/command-line.ts'
import { createTestDatabase } from '../../support/database.ts'
import { startMailbox } from '../../support/mailbox.ts'
import { startServers } from '../../support/processes.ts'
import { startRedis } from '../../support/redis.ts'
import { waitFor } from '../../support/wait.ts'

export const oldPassword = 'lanterns over the quiet river'
export const newPassword = 'a kettle sings in the morning'

/** Each account is for one try. The password is the old one. */
export type Person = Readonly<{ id: string; email: string }>
/** The address to which an attacker wants to change the account's email. */
export const strangersEmail = ({ id }: Person): string => `${id}@strangers.example`

export type Setup = Awaited<ReturnType<typeof openSetup>>

const verifiedAccounts = 400
const unverifiedAccounts = 60

const createPeople = (count: number, kind: string): Person[] =>
  Array.from({ length: count }, (_, index) => ({ id: randomUUID(), email: `${kind}-${index}@people.example` }))

/** Costs as little as the servers' own hashes, so a sign-in does not rehash it. */
const hashOfOldPassword = () =>
  argon2.hash(oldPassword, { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 })

export async function openSetup({ withRedis }: { withRedis: boolean }) {
  const [database, mailbox, redis] = await Promise.all([
    createTestDatabase(),
    startMailbox(),
    withRedis ? startRedis() : undefined,
  ])
  const env: Record<string, string> = {
    NODE_ENV: 'development',
    LOG_LEVEL: 'warn',
    MASTER_KEY: '1f'.repeat(16) + '2e'.repeat(16),
    SMTP_URL: mailbox.url,
    ...(redis && { REDIS_URL: redis.url }),
  }
  const servers = await startServers(2, { databaseUrl: database.url, env })
  const { issuer } = servers
  const pool = new pg.Pool({ connectionString: database.url, max: 14 })
  const query = async <Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await pool.query(sql, [...values])).rows

  /** Runs an administrator's command. Throws when it fails. */
  async function operator(args: readonly string[], stdin?: string): Promise<void> {
    const options = {
      env: { ...env, DATABASE_URL: database.url, ISSUER: issuer },
      ...(stdin !== undefined && { stdin }),
    }
    const { code, stderr } = await runCommand(args, options)
    if (code !== 0) throw new Error(`latchkey ${args.join(' ')} ended with ${code}:\n${stderr}`)
  }

  const verified = createPeople(verifiedAccounts, 'verified')
  const unverified = createPeople(unverifiedAccounts, 'unverified')
  const passwordHash = await hashOfOldPassword()
  const line = ({ id, email }: Person, isVerified: boolean) =>
    JSON.stringify({ id, email, email_verified: isVerified, name: 'Somebody', password_hash: passwordHash })
  const lines = [...verified.map((one) => line(one, true)), ...unverified.map((one) => line(one, false))]
  await operator(['user', 'import', '-'], lines.join('\n'))

  const take = (people: Person[]): Person => {
    const person = people.pop()
    if (!person) throw new Error('there are fewer accounts than tries')
    return person
  }

  /** Locks the account's row against other transactions, until it is released. */
  async function lockAccount({ id }: Person) {
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query('SELECT FROM account WHERE id = $1 FOR NO KEY UPDATE', [id])
    const pid = Number((await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid)
    // A second request waits for the first one, which waits for this lock.
    const sql = `WITH locked AS MATERIALIZED (
        SELECT pid, pg_blocking_pids(pid) AS by FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock')
      SELECT count(*)::int AS count FROM locked
      WHERE by && (SELECT array_agg(pid) || $1::int FROM locked WHERE $1 = ANY(by))`
    return {
      waiting: async (): Promise<number> => (await query<{ count: number }>(sql, [pid]))[0]!.count,
      release: async (): Promise<void> => {
        await client.query('COMMIT')
        client.release()
      },
    }
  }

  const isEmailWaiting = async (): Promise<boolean> => {
    const sql = `SELECT count(*)::int AS count FROM graphile_worker.jobs WHERE task_identifier = 'outbox:mail'`
    return (await query<{ count: number }>(sql))[0]!.count > 0
  }

  return {
    issuer,
    servers: servers.servers,
    mailbox,
    query,
    operator,
    lockAccount,
    takeVerified: () => take(verified),
    takeUnverified: () => take(unverified),

    /** The wrong passwords of one race must not cause a CAPTCHA in the next one. */
    clearFailedLogins: () =>
      query(`DELETE FROM guess_address WHERE key IN (SELECT key FROM guess_address ORDER BY key FOR UPDATE)`),

    /** Every requested email has been sent or dropped. */
    allEmailsSent: () => waitFor(async () => !(await isEmailWaiting()), { what: 'an empty outbox' }),

    /** Every queued email has failed once. */
    allEmailsTried: () => {
      const sql = `SELECT count(*)::int AS count FROM graphile_worker.jobs
        WHERE task_identifier = 'outbox:mail' AND (attempts = 0 OR locked_at IS NOT NULL)`
      const areTried = async () => (await query<{ count: number }>(sql))[0]!.count === 0
      return waitFor(areTried, { what: 'an attempt for every mail' })
    },

    /** Makes emails due that wait for another attempt. */
    makeEmailsDue: () => query(`UPDATE graphile_worker._private_jobs SET run_at = now() WHERE attempts > 0`),

    close: async () => {
      await pool.end()
      await servers.close()
      await Promise.all([database.close(), mailbox.close(), redis?.close()])
    },
  }
}
