/** Every check of the doctor, in order: what it needs, what it reads, and which verdict it asks. */
import type { Config } from '../config/config.ts'
import type { ConfigResult } from '../config/read.ts'
import type { Sentences } from '../locales.ts'
import type { Log } from '../log.ts'
import type { Stores } from '../stores.ts'
import { failureOfBreachCheck, failureOfSmtp, inspectSealed } from './probes.ts'
import type { Check } from './service.ts'
import {
  checkBreachCheck,
  checkClients,
  checkClock,
  checkConfiguration,
  checkDatabase,
  checkEmails,
  checkEmbedded,
  checkMigrations,
  checkPasswordHash,
  checkPasswordPolicy,
  checkPooler,
  checkProxy,
  checkRedis,
  checkSamples,
  checkSmtp,
  checkStores,
} from './verdicts.ts'

type Deps = {
  readConfig: () => ConfigResult
  /** Opens the database and changes nothing in it. The caller closes it. */
  openStores: () => Promise<Stores>
  log: Log
  t: Sentences['t']
}

const needsDatabase = ['configuration', 'database'] as const

export function listChecks({ readConfig, openStores, log, t }: Deps): Check[] {
  const result = readConfig()
  const config = 'config' in result ? result.config : undefined
  const problems = 'problems' in result ? result.problems : []
  let stores: Stores | undefined
  const getStores = async (): Promise<Stores> => {
    stores ??= await openStores()
    return stores
  }
  const knex = async () => (await getStores()).database.knex
  const measureClock = async () => {
    const [{ measureClockOffset }, { systemClock }] = await Promise.all([
      import('../database/clock-offset.ts'),
      import('../clock.ts'),
    ])
    return { measured: await measureClockOffset(await knex(), systemClock), systemClock }
  }
  // Servers write by the database's clock, and the clock of this machine may differ from it.
  const databaseNow = async (): Promise<number> => {
    const { measured, systemClock } = await measureClock()
    return Math.round(systemClock.now() + measured.offsetMs)
  }
  const getConfig = (): Config => {
    if (!config) throw new Error('no configuration')
    return config
  }

  return [
    {
      name: 'configuration',
      run: async () =>
        checkConfiguration({
          config,
          problems,
          warnings: result.warnings,
          sentenceOf: ({ code, params }) => t(`config.${code}`, params),
        }),
    },
    { name: 'password-hash', needs: ['configuration'], run: async () => checkPasswordHash(getConfig().passwordHash) },
    {
      name: 'breach-check',
      needs: ['configuration'],
      run: async () => {
        const { environment, breachCheck, outboundAllow } = getConfig()
        const failure = breachCheck && (await failureOfBreachCheck({ breachCheck, outboundAllow }, log))
        return checkBreachCheck(breachCheck, failure, environment === 'production')
      },
    },
    {
      name: 'database',
      needs: ['configuration'],
      run: async () => {
        const { knex, isPooled } = (await getStores()).database
        const { ageOfEmbedded } = await import('../database/embedded/version.ts')
        const age = getConfig().database.url === undefined ? await ageOfEmbedded(knex) : undefined
        return [await checkDatabase(knex), ...checkEmbedded(age), ...(await checkPooler(knex, isPooled))]
      },
    },
    {
      name: 'clock',
      needs: needsDatabase,
      run: async () => {
        return checkClock((await measureClock()).measured)
      },
    },
    {
      name: 'migrations',
      needs: needsDatabase,
      run: async () => {
        const { pendingMigrations } = await import('../database/migrate.ts')
        return checkMigrations(await pendingMigrations(await knex()), getConfig().database.migrateAtStart)
      },
    },
    {
      name: 'master-key',
      needs: needsDatabase,
      run: async () => (await inspectSealed(await getStores(), getConfig())).masterKey,
    },
    {
      name: 'keys',
      needs: [...needsDatabase, 'master-key'],
      run: async () => (await inspectSealed(await getStores(), getConfig())).keys,
    },
    {
      name: 'redis',
      needs: ['configuration'],
      run: async () => {
        const { redisUrl } = getConfig()
        if (redisUrl === undefined) return checkRedis(undefined)
        const { createRedis } = await import('../redis/connection.ts')
        const redis = createRedis({ url: redisUrl, log })
        try {
          return checkRedis((await redis.whenReady(3000)) ? await redis.state() : 'away')
        } finally {
          await redis.close()
        }
      },
    },
    {
      name: 'stores',
      needs: needsDatabase,
      run: async () => {
        const { inspectStores } = await import('../process-registry/service.ts')
        return checkStores(await inspectStores(await knex(), getConfig().redisUrl, await databaseNow()))
      },
    },
    {
      name: 'proxy',
      needs: needsDatabase,
      run: async () => {
        const { inspectPeers } = await import('../process-registry/service.ts')
        return checkProxy(await inspectPeers(await knex(), await databaseNow()))
      },
    },
    {
      name: 'mail',
      needs: ['configuration'],
      run: async () => {
        const { environment, email: emailConfig } = getConfig()
        const failure = emailConfig.smtp && (await failureOfSmtp(emailConfig.smtp))
        return checkSmtp(emailConfig.smtp?.host, failure, environment === 'production')
      },
    },
    {
      name: 'password-policy',
      needs: needsDatabase,
      run: async () => {
        const [{ readSettings }, { defaultSettings }] = await Promise.all([
          import('../settings/service.ts'),
          import('../settings/definitions.ts'),
        ])
        const db = await knex()
        const settings = (await db.schema.hasTable('setting')) ? await readSettings(db) : defaultSettings
        return checkPasswordPolicy(settings.passwordMinimumLength)
      },
    },
    {
      name: 'emails',
      needs: needsDatabase,
      run: async () => {
        const { inspectEmails } = await import('./emails.ts')
        return checkEmails(await inspectEmails(await knex()))
      },
    },
    {
      name: 'samples',
      needs: [...needsDatabase, 'master-key'],
      run: async () => {
        const { findSamples } = await import('./samples.ts')
        const isProduction = getConfig().environment === 'production'
        return checkSamples(await findSamples(await getStores(), getConfig()), isProduction)
      },
    },
    {
      name: 'clients',
      needs: needsDatabase,
      run: async () => {
        const { listClientNotes } = await import('./samples.ts')
        return checkClients(await listClientNotes(await getStores()))
      },
    },
  ]
}
