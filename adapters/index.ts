/** Which model lives where; and the store that the rest of the program uses. */
import type { Models } from './model.ts'
import type { StoreDeps } from './store.ts'
import { createStore } from './store.ts'

export type { Provisional } from './ends.ts'
export { ArtifactStoreUnavailable, ReplayDetected, requestUriUsed, StaleBrowser } from './errors.ts'
export type { ModelName } from './model.ts'
export type { FamilyEnd } from './token-families.ts'

/**
 * `postgres`: its errors let an attacker in or sign an account out. `redis`: its loss costs a retry;
 * in Postgres when there is no Redis. A number stays for ever: it is in the rows.
 */
export const models: Models = {
  Session: { number: 1, home: 'postgres' },
  Grant: { number: 2, home: 'postgres' },
  AuthorizationCode: { number: 3, home: 'postgres', spentAs: 'source' },
  RefreshToken: { number: 4, home: 'postgres', spentAs: 'source' },
  AccessToken: { number: 5, home: 'redis', isDenied: true },
  ClientCredentials: { number: 6, home: 'redis', isDenied: true },
  Interaction: { number: 7, home: 'redis' },
  DeviceCode: { number: 8, home: 'postgres', spentAs: 'source' },
  BackchannelAuthenticationRequest: { number: 9, home: 'postgres', spentAs: 'source' },
  PreAuthorizedCode: { number: 10, home: 'postgres', spentAs: 'source' },
  PushedAuthorizationRequest: { number: 11, home: 'postgres', spentAs: 'request' },
  ReplayDetection: { number: 12, home: 'postgres', spentAs: 'proof' },
  InitialAccessToken: { number: 13, home: 'postgres' },
  RegistrationAccessToken: { number: 14, home: 'postgres' },
  ParkedRequest: { number: 15, home: 'redis' },
}

export type ArtifactStore = ReturnType<typeof createArtifactStore>

/** The store over Postgres, and over Redis for what is short-lived when there is one. */
export const createArtifactStore = (deps: StoreDeps) => createStore(models, deps)
