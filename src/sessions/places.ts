/** Where a network address is, in words, from an MMDB file that the operator brings (GeoLite2 City and Country, DB-IP, and others). */
import type { CityResponse } from 'maxmind'
import { placesUnreadable } from './errors.ts'

export type Places = (address: string) => string | undefined

/** A newer file in the same place is read without a restart. Throws `places_unreadable`. */
export async function openPlaces(path: string): Promise<Places> {
  const { default: maxmind } = await import('maxmind')
  const options = { watchForUpdates: true, watchForUpdatesNonPersistent: true }
  const reader = await maxmind.open<CityResponse>(path, options).catch((cause: unknown) => {
    throw placesUnreadable({ cause, params: { path } })
  })
  return (address) => {
    if (!maxmind.validate(address)) return undefined
    const found = reader.get(address)
    const named = [found?.city?.names.en, found?.country?.names.en].filter((name) => name !== undefined)
    return named.length > 0 ? named.join(', ') : undefined
  }
}
