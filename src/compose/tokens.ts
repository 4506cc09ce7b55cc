/** Composes the store of tokens and sessions, consents, signing keys and revocation. */
import { createArtifactStore } from '../../adapters/index.ts'
import { createKeyRing } from '../../keys/key-ring.ts'
import { measureKeyRing } from '../../keys/ring-metrics.ts'
import { createRotation } from '../../keys/rotation.ts'
import { createAccountRecords } from '../accounts/index.ts'
import { createClientCache, createTokenRules } from '../clients/index.ts'
import { createConsentsFeature } from '../consents/index.ts'
import { createLifetimes } from '../oidc/index.ts'
import { createRevocationFeature, createStoreEvents } from '../revocation/index.ts'
import { createSigningKeysFeature, recordKeyChange } from '../signing-keys/index.ts'
import type { Platform } from './platform.ts'

export type Tokens = Awaited<ReturnType<typeof createTokens>>

export async function createTokens(platform: Platform) {
  const { config, database, redis, settings, audit, endings, queue, processRegistry, outages } = platform
  const { sealer, rootSecret, clock, random, log, metrics } = platform
  const { knex, pool, isPooled, transaction, changes } = database
  const { enqueue } = queue
  const { add } = platform.features

  const clientCache = createClientCache({ db: knex, changes })
  const artifacts = createArtifactStore({
    pool,
    isPooled,
    redis: redis?.client,
    transaction,
    clock,
    log,
    deriveKey: rootSecret.derive,
    areStoresAgreed: processRegistry.areStoresAgreed,
    graceBegins: outages.graceBegins,
    graceWindowsClosedUntil: outages.graceWindowsClosedUntil,
    endsAt: createLifetimes({ settings, findClient: clientCache.get }),
    ...createTokenRules({ findClient: clientCache.get }),
    ...createStoreEvents({ audit, metrics, endings, enqueue }),
  })
  const { consents, createPages } = createConsentsFeature({ db: knex, transaction, changes, audit, clock, endings })
  const records = createAccountRecords({ clock })
  const { revocation, resetAccount, handOverAccount } = add(
    createRevocationFeature({
      transaction,
      audit,
      artifacts,
      consents,
      records,
      endings,
      enqueue,
      clock,
      random,
      log,
      metrics,
    }),
  )

  const { algorithms } = config.signingKeys
  const rotation = createRotation({
    ...config.signingKeys,
    knex,
    transaction,
    sealer,
    clock,
    random,
    endSigningKey: artifacts.endSigningKey,
    record: recordKeyChange(audit),
  })
  await rotation.makeMissing()
  const updateClockAndStores = async () => {
    await Promise.all([clock.follow(), processRegistry.publishOwn()])
  }
  const { heartbeat } = outages
  const keyRing = add(
    await createKeyRing({
      knex,
      changes,
      sealer,
      clock,
      log,
      algorithms,
      awaitedTask: updateClockAndStores,
      backgroundTask: heartbeat,
    }),
  )
  measureKeyRing({ keyRing, metrics, clock })
  const { signingKeys } = add(createSigningKeysFeature({ rotation, offered: algorithms, log }))

  return {
    clientCache,
    artifacts,
    consents,
    createConsentPages: createPages,
    records,
    revocation,
    resetAccount,
    handOverAccount,
    rotation,
    keyRing,
    signingKeys,
    offeredAlgorithms: () => keyRing.current().algorithms,
  }
}
