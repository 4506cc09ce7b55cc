/** `latchkey doctor`: checks what a server depends on, and changes nothing. */
import type { Config } from '../config/config.ts'
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
} from '../doctor/checks.ts'
import type { Check, Diagnosis } from '../doctor/service.ts'
import { examine } from '../doctor/service.ts'
import type { Stores } from '../stores.ts'
import type { Call, CliCommand } from './command.ts'
import { exitCodes } from './command.ts'
import { failureOfBreachCheck, failureOfSmtp, inspectSealed } from './doctor-probes.ts'
import { table } from './output.ts'

const needsDatabase = ['configuration', 'database'] as const

export const doctor: CliCommand = {
  name: 'doctor',
  about: 'cli.doctor.about',
  examples: ['latchkey doctor', 'latchkey doctor --json'],
  run: async (call) => {
    const { t, has } = call
    const diagnoses = await examine(checksOf(call))
    const sentenceOf = ({ code, params }: Diagnosis) => {
      const reason = params?.reason
      const isCode = typeof reason === 'string' && has(`errors.${reason}`)
      return t(`doctor.${code}`, isCode ? { ...params, reason: t(`errors.${reason}`) } : params)
    }
    const checks = diagnoses.map((one) => ({ ...one, message: sentenceOf(one) }))
    const rows = checks.map(({ check, status, message }) => [check, t(`cli.doctor.${status}`), message])
    const head = [t('cli.columns.check'), t('cli.columns.state'), t('cli.columns.finding')]
    return { data: { checks }, text: table(head, rows), exitCode: exitCodeOf(diagnoses) }
  },
}

function exitCodeOf(diagnoses: readonly Diagnosis[]): number {
  const failures = diagnoses.filter(({ status }) => status === 'failed')
  if (failures.length === 0) return exitCodes.ok
  const isConfiguration = failures.some(({ check, code }) => check === 'configuration' || code === 'master_key_wrong')
  return isConfiguration ? exitCodes.configuration : exitCodes.refused
}

function checksOf({ readConfig, openStores, log, t }: Call): Check[] {
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
    const [{ measureOffset }, { systemClock }] = await Promise.all([
      import('../database/offset.ts'),
      import('../clock.ts'),
    ])
    return { measured: await measureOffset(await knex(), systemClock), systemClock }
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
