/** Changing the master key: everything sealed is sealed anew under it, value by value, while servers run that can open both. */
import type { Knex } from 'knex'
import { SealDamaged, WrongMasterKey } from './errors.ts'
import { findRootSecret } from './root-secret.ts'
import type { SealedLocation, SealedValue } from './sealed-locations.ts'
import type { Sealer } from './sealer.ts'

export type ResealReport = Readonly<{
  /** How many values of each place were sealed anew, by this run. */
  resealed: Readonly<Record<string, number>>
  /** Values that no key at hand opens, or that were altered: they stay as they are. */
  unopened: readonly string[]
}>

type Deps = {
  knex: Knex
  sealer: Sealer
  locations: readonly SealedLocation[]
  /** Resolves when every process has seen what was written before, and seals under the new key. */
  waitForServers: () => Promise<void>
}

const batchSize = 200

/**
 * Seals everything anew that the master key has not sealed. Ends when a pass over all places that began after every process had followed finds
 * nothing left. May be cut off anywhere and begun again: whatever is done already is passed over.
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
      // The first place is the marker: what this process itself seals follows it too.
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
