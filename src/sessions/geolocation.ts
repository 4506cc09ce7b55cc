/**
 * Geolocation: the city and country of an ip, from the operator's MMDB file (GeoLite2, DB-IP and
 * others).
 */
import type { CityResponse } from 'maxmind'
import { geolocationUnreadable } from './errors.ts'

export type Geolocation = (ip: string) => string | undefined

/** A newer file at the same path is read without a restart. Throws `places_unreadable`. */
export async function openGeolocation(path: string): Promise<Geolocation> {
  const { default: maxmind } = await import('maxmind')
  const options = { watchForUpdates: true, watchForUpdatesNonPersistent: true }
  const reader = await maxmind.open<CityResponse>(path, options).catch((cause: unknown) => {
    throw geolocationUnreadable({ cause, params: { path } })
  })
  return (ip) => {
    if (!maxmind.validate(ip)) return undefined
    const found = reader.get(ip)
    const named = [found?.city?.names.en, found?.country?.names.en].filter((name) => name !== undefined)
    return named.length > 0 ? named.join(', ') : undefined
  }
}
