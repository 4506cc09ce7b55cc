/**
 * The account page as an internal client. Users reach it through the same login as any application.
 */
import type { Client } from '../clients/client.ts'
import type { Clients } from '../clients/service.ts'

/** No client can be registered with this id, because a client id cannot contain a colon. */
export const accountClientId = 'latchkey:account'
export const returnPath = '/account/return'

type Deps = {
  issuer: string
  name: string
  clients: Pick<Clients, 'planned' | 'findById'>
}

/**
 * A public first-party client with one redirect URI. It is not in a table, so it cannot be changed,
 * disabled or listed.
 */
function accountClient({ issuer, name, clients }: Deps): Client {
  const metadata = { client_name: name, redirect_uris: [issuer + returnPath], grant_types: ['authorization_code'] }
  const row = clients.planned({
    clientId: accountClientId,
    kind: 'spa',
    isFirstParty: true,
    metadata: { ...metadata, scope: 'openid' },
  })
  return { ...row, secretDigests: [], createdAt: 0, updatedAt: 0 }
}

/** Finds clients by id, including the account page. */
export function createFindClient(deps: Deps) {
  const own = accountClient(deps)
  return async (clientId: string): Promise<Client | undefined> =>
    clientId === accountClientId ? own : deps.clients.findById(clientId)
}
