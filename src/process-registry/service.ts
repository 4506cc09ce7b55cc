/**
 * Whether all server processes on this database use the same stores: each must see what another
 * issues or revokes (docs/decisions/0110 and docs/decisions/0111).
 */
import type { Knex } from 'knex'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { createFailureLog } from '../log.ts'
import type { Random } from '../random.ts'
import { listStores, listUntrustedPeers, registerProcess, unregisterProcess } from './repository.ts'

/**
 * After this time without an update a process counts as terminated: five reads of the key ring.
 * Milliseconds.
 */
const presentMs = 15_000
const closingMs = 1_000
/** How long a peer that sent X-Forwarded-For is reported, in milliseconds. */
const peerShownMs = 24 * 3_600_000
const peerNoteIntervalMs = 3_600_000

/**
 * The stores as text, the same in all processes that share them: without user and password, with
 * port and database.
 */
export function describeStores(redisUrl: string | undefined): string {
  if (redisUrl === undefined) return 'postgres'
  const {
    scheme = '',
    hosts = '',
    database = '',
  } = /^(?<scheme>[^:]+):\/\/(?:[^@/]*@)?(?<hosts>[^/]+)(?:\/(?<database>\d*))?$/.exec(redisUrl)?.groups ?? {}
  const addresses = hosts
    .toLowerCase()
    .split(',')
    .map((host) => (/:\d+$/.test(host) ? host : `${host}:6379`))
  const kind = scheme.endsWith('+cluster') ? 'redis+cluster' : 'redis'
  return `postgres ${kind}://${addresses.sort().join(',')}/${database || '0'}`
}

/**
 * For `doctor`: the stores of this configuration, and those of the servers that run at `nowMs`.
 * Without the table there are none.
 */
export async function inspectStores(db: Knex, redisUrl: string | undefined, nowMs: number) {
  const hasTable = await db.schema.hasTable('store_set_up')
  return {
    stores: describeStores(redisUrl),
    running: hasTable ? await listStores(db, nowMs - presentMs) : [],
  }
}

/** For `doctor`: peers that sent X-Forwarded-For and are not a proxy of the running server. */
export const inspectPeers = async (db: Knex, nowMs: number): Promise<string[]> =>
  (await db.schema.hasColumn('store_set_up', 'untrusted_peer')) ? listUntrustedPeers(db, nowMs - presentMs) : []

type Deps = { db: Knex; clock: Clock; random: Random; log: Log; redisUrl: string | undefined }

export function createProcessRegistry({ db, clock, random, log, redisUrl }: Deps) {
  const process = random.token()
  const stores = describeStores(redisUrl)
  const publishing = createFailureLog(log, 'the stores of this process were not published')
  let isServing = false
  let others: readonly string[] | undefined
  let untrusted: { peer: string; notedAt: number } | undefined

  async function publish(): Promise<void> {
    const seenAt = clock.now()
    const untrustedPeer = untrusted && seenAt - untrusted.notedAt < peerShownMs ? untrusted.peer : undefined
    const found = await registerProcess(db, { process, stores, seenAt, untrustedPeer }, seenAt - presentMs)
    if (found.length > 0 && !others?.length)
      log.warn({ stores, others: found }, 'processes of this database disagree about stores')
    if (found.length === 0 && others?.length)
      log.info({ stores }, 'all processes of this database agree about stores again')
    others = found
  }

  async function publishOwn(): Promise<void> {
    if (!isServing) return
    await publish().then(publishing.succeeded, publishing.failed)
  }

  const isAgreed = (): boolean => others !== undefined && others.length === 0

  return {
    /** A server publishes its stores before it listens; the command line never does. */
    serve: async (): Promise<void> => {
      isServing = true
      await publishOwn()
      // When two servers start at once, neither sees the uncommitted first row of the other.
      await publishOwn()
    },

    /**
     * Notes a peer whose X-Forwarded-For is ignored: the first is logged, the latest is stored in
     * our row.
     */
    noteUntrustedPeer: (peer: string): void => {
      if (!untrusted) log.warn({ peer }, 'X-Forwarded-For is ignored: TRUST_PROXY does not name the peer that sent it')
      const now = clock.now()
      if (!untrusted || now - untrusted.notedAt >= peerNoteIntervalMs) untrusted = { peer, notedAt: now }
    },

    /**
     * Runs with each read of the key ring. Never rejects: without an answer the last result stays.
     */
    publishOwn,

    /** Whether our stores are published and no other process has different ones. */
    isAgreed,

    /**
     * Whether other processes look in the stores of this process. Always true for the command line,
     * which serves no requests.
     */
    areStoresAgreed: (): boolean => !isServing || isAgreed(),

    /** Deletes our row, so that a server with other stores need not wait. Never rejects. */
    close: async (): Promise<void> => {
      if (!isServing) return
      isServing = false
      const late = new Promise<void>((resolve) => setTimeout(resolve, closingMs).unref())
      // Without an answer the row expires by itself.
      await Promise.race([late, unregisterProcess(db, process).catch(() => {})])
    },
  }
}
