/** Everything that is sealed under the master key: one list, so that a change of the key forgets nothing. */
import type { SealedPlace } from '../../keys/sealed-places.ts'
import { fixedPlaces, sealedColumn } from '../../keys/sealed-places.ts'
import { factorList } from '../mfa/methods/index.ts'

export const sealedPlaces: readonly SealedPlace[] = [
  ...fixedPlaces,
  ...factorList.flatMap(({ seals }) => seals.map(({ table, key, column }) => sealedColumn(table, key, column))),
]
