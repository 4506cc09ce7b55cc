/** The store of each model, and the artifact store for the rest of the program. */
import type { Models } from './model.ts'
import type { StoreDeps } from './store.ts'
import { createStore } from './store.ts'

export { ArtifactStoreUnavailable, ReplayDetected, requestUriUsed, StaleBrowser } from './errors.ts'
export type { ModelName } from './model.ts'
export type { EndOptions } from './revocations.ts'
export type { FamilyEnd } from './token-families.ts'

/**
 * `postgres`: errors could let an attacker in or sign an account out. `redis`: a loss only causes a
 * retry. Stored rows contain the numbers, so a number never changes.
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

/** The artifact store: Postgres, and Redis for short-lived artifacts if it is configured. */
export const createArtifactStore = (deps: StoreDeps) => createStore(models, deps)
