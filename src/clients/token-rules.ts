/** The rules of a client's registration for stored tokens. */
import type { Client } from './client.ts'
import { allowedScope } from './scopes.ts'

type Deps = { findClient: (clientId: string) => Promise<Client | undefined> }

export function createTokenRules({ findClient }: Deps) {
  return {
    /** For this time a spent refresh token returns the same successor to its client. */
    graceSeconds: async (clientId: string): Promise<number> => (await findClient(clientId))?.refreshGraceSeconds ?? 0,

    /** The part of `scope` that the client may have now. A deleted client is refused elsewhere. */
    allowedScope: async (clientId: string, scope: string): Promise<string> => {
      const client = await findClient(clientId)
      return client ? allowedScope(client, scope) : scope
    },
  }
}
