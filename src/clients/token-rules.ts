/** What a client's registration says about tokens that the store keeps. */
import type { Client } from './client.ts'
import { allowedScope } from './scopes.ts'

type Deps = { findClient: (clientId: string) => Promise<Client | undefined> }

export function createTokenRules({ findClient }: Deps) {
  return {
    /** How long a spent refresh token still gives its client the same successor. */
    graceSeconds: async (clientId: string): Promise<number> => (await findClient(clientId))?.refreshGraceSeconds ?? 0,

    /** What of `scope` the client may have now. A client that is gone is refused elsewhere. */
    allowedScope: async (clientId: string, scope: string): Promise<string> => {
      const client = await findClient(clientId)
      return client ? allowedScope(client, scope) : scope
    },
  }
}
