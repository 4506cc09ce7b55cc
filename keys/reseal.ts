/**
 * Changing the master key: every sealed value is sealed again with the new key while servers that
 * know both keys run.
 */
import type { Knex } from 'knex'
import { SealDamaged, WrongMasterKey } from './errors.ts'
import { findRootSecret } from './root-secret.ts'
import type { SealedLocation, SealedValue } from './sealed-locations.ts'
import type { Sealer } from './sealer.ts'

export type ResealReport = Readonly<{
  /** How many values of each location this run sealed again. */
  resealed: Readonly<Record<string, number>>
  /** Values that no known key opens, or that were altered. They are unchanged. */
  unopened: readonly string[]
}>

type Deps = {
  knex: Knex
  sealer: Sealer
  locations: readonly SealedLocation[]
  /** Resolves when every process has seen the earlier writes and seals with the new key. */
  waitForServers: () => Promise<void>
}

const batchSize = 200

/**
 * Seals again each value that is not sealed with the current key. Ends when all processes follow
 * the new key and a full pass finds none. An interrupted run may be started again.
 */
export async function reseal({ knex, sealer, locations, waitForServers }: Deps): Promise<ResealReport> {
  const resealed: Record<string, number> = Object.fromEntries(locations.map(({ name }) => [name, 0]))

  async function resealValue(location: SealedLocation, value: SealedValue): Promise<boolean> {
    const sealed = sealer.reseal(value.sealed, value.aad)
    if (!sealed) return false
    await location.replace(knex, value, sealed)
    resealed[location.name] = (resealed[location.name] ?? 0) + 1
    return true
  }

  async function pass(): Promise<{ isClean: boolean; unopened: string[] }> {
    const unopened: string[] = []
    let isClean = true
    for (const location of locations) {
      let after: string | undefined
      for (;;) {
        const values = await location.list(knex, after, batchSize)
        for (const value of values) {
          try {
            if (await resealValue(location, value)) isClean = false
          } catch (error) {
            if (!(error instanceof SealDamaged || error instanceof WrongMasterKey)) throw error
            unopened.push(value.aad)
          }
        }
        after = values.at(-1)?.key
        if (values.length < batchSize) break
      }
      // The first location is the marker: from then on this process also seals with the new key.
      const marker = await findRootSecret(knex)
      if (marker) sealer.follow(marker)
    }
    return { isClean, unopened }
  }

  await pass()
  for (;;) {
    await waitForServers()
    const { isClean, unopened } = await pass()
    if (isClean) return { resealed, unopened }
  }
}
