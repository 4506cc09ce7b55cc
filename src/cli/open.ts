/** Opens the database and the parts at their first use by a command, and closes them. */

import type { Parts } from '../compose/parts.ts'
import type { Config } from '../config/config.ts'
import type { ConfigResult } from '../config/read.ts'
import type { Log } from '../log.ts'
import type { Stores } from '../stores.ts'
import type { Call } from './command.ts'
import { ConfigurationRefused } from './errors.ts'

type Deps = { readConfig: () => ConfigResult; log: Log }

export function createOpener({ readConfig, log }: Deps) {
  const closing: (() => Promise<unknown>)[] = []

  const getConfig = (): Config => {
    const result = readConfig()
    if ('problems' in result) throw new ConfigurationRefused(result.problems)
    return result.config
  }

  // Loaded here: help and usage errors must not wait for the engine and the database driver.
  async function openStores(): Promise<Stores> {
    const config = getConfig()
    const { openStores: open } = await import('../stores.ts')
    const stores = await open({ config, log })
    closing.push(stores.close)
    return stores
  }

  async function openParts(): Promise<Parts> {
    const config = getConfig()
    const stores = await openStores()
    const [
      { prepareSchema },
      { createParts },
      { measureClockOffset },
      { systemClock },
      { systemRandom },
      { listRefusedSecrets },
    ] = await Promise.all([
      import('../stores.ts'),
      import('../compose/parts.ts'),
      import('../database/clock-offset.ts'),
      import('../clock.ts'),
      import('../random.ts'),
      import('../seed/samples.ts'),
    ])
    await prepareSchema(stores, config.database, log)
    const parts = await createParts({
      config,
      database: stores.database,
      queueUrl: stores.directUrl,
      hashingSlots: 1,
      clock: systemClock,
      measureClock: () => measureClockOffset(stores.database.knex, systemClock),
      random: systemRandom,
      log,
      refusedSecrets: listRefusedSecrets(config.environment),
    })
    closing.push(parts.close)
    return parts
  }

  const open: Pick<Call, 'openStores' | 'openParts'> = { openStores, openParts }
  return {
    open,
    /** Closes in the reverse order of opening. */
    close: async (): Promise<void> => {
      for (const close of closing.reverse()) await close()
    },
  }
}
