/**
 * What the doctor tries out: the breach service, the SMTP server, and whether the master key opens
 * the sealed values.
 */
import { WrongMasterKey } from '../../keys/errors.ts'
import type { Config } from '../config/config.ts'
import type { Log } from '../log.ts'
import type { Stores } from '../stores.ts'
import { checkKeyRing, checkMasterKeys } from './verdicts.ts'

export async function failureOfBreachCheck(
  { breachCheck, outboundAllow }: Pick<Config, 'outboundAllow'> & { breachCheck: NonNullable<Config['breachCheck']> },
  log: Log,
): Promise<string | undefined> {
  const [{ createOutbound }, { createBreaches }, { createMetrics }, { systemClock: clock }] = await Promise.all([
    import('../outbound/service.ts'),
    import('../passwords/breaches.ts'),
    import('../metrics.ts'),
    import('../clock.ts'),
  ])
  const metrics = createMetrics()
  const outbound = await createOutbound({ allowed: outboundAllow, metrics })
  try {
    return await createBreaches({ ...breachCheck, request: outbound.request, clock, log, metrics }).tryOut()
  } finally {
    await outbound.close()
  }
}

/**
 * The error code of connecting and signing in. The server's own text is not shown, because it may
 * contain anything.
 */
export async function failureOfSmtp(smtp: NonNullable<Config['email']['smtp']>): Promise<string | undefined> {
  const { createTransport } = await import('../email/transport.ts')
  try {
    await createTransport(smtp).check()
    return undefined
  } catch (error) {
    const { code, responseCode } = Object(error) as { code?: string; responseCode?: number }
    return [code ?? 'error', responseCode].filter(Boolean).join(' ')
  }
}

/** Whether the master key opens the sealed values. A database without sealed values passes. */
export async function inspectSealed({ database: { knex } }: Stores, config: Config) {
  const [{ createSealer }, { checkMasterKey }, { listKeys }, { systemClock }] = await Promise.all([
    import('../../keys/sealer.ts'),
    import('../../keys/root-secret.ts'),
    import('../../keys/repository.ts'),
    import('../clock.ts'),
  ])
  const sealer = createSealer(config.masterKey, config.previousMasterKey)
  try {
    await checkMasterKey({ knex, sealer })
    const isFresh = !(await knex.schema.hasTable('signing_key'))
    const keys = isFresh ? [] : await listKeys(knex, sealer)
    const active = keys.filter(({ state }) => state === 'active')
    const { algorithms: needed, times } = config.signingKeys
    const facts = { needed, activeMs: times.activeMs, isFresh: keys.length === 0, nowMs: systemClock.now() }
    return {
      masterKey: checkMasterKeys(isFresh, config.previousMasterKey !== undefined),
      keys: checkKeyRing(active, facts),
    }
  } catch (error) {
    if (!(error instanceof WrongMasterKey)) throw error
    return {
      masterKey: { status: 'failed', code: 'master_key_wrong' } as const,
      keys: { status: 'skipped', code: 'master_key_wrong' } as const,
    }
  }
}
