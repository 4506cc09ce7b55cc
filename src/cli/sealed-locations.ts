/** Everything that the master key seals: one list, so that a change of the key covers all of it. */
import type { SealedLocation } from '../../keys/sealed-locations.ts'
import { fixedLocations, sealedColumn } from '../../keys/sealed-locations.ts'
import { factorList } from '../mfa/methods/index.ts'

export const sealedLocations: readonly SealedLocation[] = [
  ...fixedLocations,
  ...factorList.flatMap(({ seals }) => seals.map(({ table, key, column }) => sealedColumn(table, key, column))),
]
