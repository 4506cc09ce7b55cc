/** The server process: reads the environment, starts everything in order, stops it at a signal. */
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { SealDamaged, WrongMasterKey } from '../keys/errors.ts'
import { checkMasterKey } from '../keys/root-secret.ts'
import { createSealer } from '../keys/sealer.ts'
import { systemClock } from './clock.ts'
import { createParts } from './compose/parts.ts'
import type { Config } from './config/config.ts'
import { readConfig } from './config/read.ts'
import { measureClockOffset } from './database/clock-offset.ts'
import { ageOfEmbedded } from './database/embedded/version.ts'
import { connectionReason } from './database/errors.ts'
import { AppError } from './errors.ts'
import { createSentences } from './locales.ts'
import { createLog } from './log.ts'
import { hashingSlots, threadPoolSize, yieldPoolThreads } from './passwords/threads.ts'
import { systemRandom } from './random.ts'
import { developmentNotes, developmentSeed, listRefusedSecrets } from './seed/samples.ts'
import { startServer } from './server.ts'
import { openStores, prepareSchema } from './stores.ts'

/** sysexits.h EX_CONFIG: service managers do not restart the process. */
const exitConfiguration = 78
const exitFailure = 1
/** The maximum wait for a part that does not close. */
const longestCloseMs = 10_000

const { t, has } = createSentences({ isStrict: false })
const say = (line: string) => process.stderr.write(`${line}\n`)

if (existsSync('.env')) process.loadEnvFile('.env')
const read = readConfig(process.env)
for (const { variable, code, params } of read.warnings)
  say(t('server.warning', { variable, sentence: t(`config.${code}`, params) }))
if ('problems' in read) {
  say(t('server.configurationRefused'))
  for (const { code, params } of read.problems) say(`- ${t(`config.${code}`, params)}`)
  process.exit(exitConfiguration)
}

const { config } = read
// libuv reads this once, at the first work for its pool: no earlier line may use the pool.
const { passwordHash, serverProcesses } = config
const { slots: configured, parallelism } = passwordHash
const slots = hashingSlots({ configured, cores: availableParallelism(), serverProcesses, parallelism })
process.env.UV_THREADPOOL_SIZE = String(threadPoolSize(slots, process.env.UV_THREADPOOL_SIZE))
const log = createLog({ level: config.logLevel })

const opening = openStores({ config, log })
let server: Awaited<ReturnType<typeof startServer>> | undefined
let isStopping = false

/**
 * Stops a Postgres that this process started, also after a failed start or a signal during the
 * start.
 */
async function releaseDatabase(): Promise<void> {
  await server?.stop()
  // A failed opening is reported by `run`, which waits for it too.
  const stores = await opening.catch(() => undefined)
  await Promise.race([stores?.close(), sleep(longestCloseMs)])
}

async function stop(signal: NodeJS.Signals): Promise<void> {
  if (isStopping) return
  isStopping = true
  log.info({ signal }, 'stopping')
  await releaseDatabase()
  process.exit(0)
}
process.on('SIGTERM', (signal) => void stop(signal))
process.on('SIGINT', (signal) => void stop(signal))

async function run(config: Config): Promise<void> {
  const startedMs = performance.now()
  const isDevelopment = config.environment === 'development'
  const stores = await opening
  // Before any change: a database of another master key must not be migrated.
  const sealer = createSealer(config.masterKey, config.previousMasterKey)
  await checkMasterKey({ knex: stores.database.knex, sealer })
  await prepareSchema(stores, config.database, log)
  if (config.database.url === undefined)
    log.warn(
      await ageOfEmbedded(stores.database.knex),
      'the embedded Postgres lacks the fixes of later releases and is for small installations',
    )
  const parts = await createParts({
    config,
    database: stores.database,
    queueUrl: stores.directUrl,
    hashingSlots: slots,
    clock: systemClock,
    measureClock: () => measureClockOffset(stores.database.knex, systemClock),
    random: systemRandom,
    log,
    refusedSecrets: listRefusedSecrets(config.environment),
    ...(isDevelopment && { developmentNotes }),
  })
  if (isDevelopment)
    await parts.seed.apply(readFileSync(developmentSeed, 'utf8'), {
      by: { actor: { type: 'system' }, origin: { job: 'start' } },
      isOnlyMissing: true,
    })
  // The start leaves 40 MiB of garbage, which V8 would keep. `npm start` exposes this function.
  global.gc?.({ type: 'major', flavor: 'last-resort', execution: 'sync' })
  server = await startServer(parts)
  yieldPoolThreads()

  log.info({ issuer: config.issuer, ms: Math.round(performance.now() - startedMs) }, 'listening')
  if (isDevelopment) say(banner(config))
}

/** What an administrator can do about a failure at start. */
function sentenceFor(error: unknown): string {
  if (error instanceof AppError && error.code === 'database_unavailable')
    return t('server.databaseUnreachable', { reason: connectionReason(error) })
  if (error instanceof AppError && has(`errors.${error.code}`)) return t(`errors.${error.code}`, error.params)
  if (error instanceof WrongMasterKey) return t('keys.wrong_master_key')
  if (error instanceof SealDamaged) return t('keys.seal_damaged', error.params)
  return t('server.unexpected', { reason: error instanceof Error ? error.message : String(error) })
}

/** What a developer needs after `npm start`. */
const banner = ({ issuer, dataFolder }: Config): string => {
  const { user, password, clients } = developmentNotes
  return t('server.banner', {
    issuer,
    user,
    password,
    clients: clients.map(({ clientId }) => clientId).join(', '),
    dataFolder,
  })
}

/** The last output, so that the reason of the failure is at the end. */
async function refuseStart(error: unknown): Promise<never> {
  log.fatal({ err: error }, 'the server did not start')
  await releaseDatabase().catch((cause: unknown) => log.error({ err: cause }, 'the database could not be released'))
  say(t('server.startRefused', { sentence: sentenceFor(error) }))
  // A wrong master key or a missing algorithm is a wrong configuration: restarting the server does
  // not help.
  const isLost =
    error instanceof AppError && ['signing_algorithm_in_use', 'database_direct_url_pooled'].includes(error.code)
  process.exit(error instanceof WrongMasterKey || isLost ? exitConfiguration : exitFailure)
}

try {
  await run(config)
} catch (error) {
  // A signal has closed the stores during the start, and ends the process.
  if (!isStopping) await refuseStart(error)
}
