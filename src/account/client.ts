/** The account page as a client of our own: people come to it through the same login as to every application. */
import type { Client } from '../clients/client.ts'
import type { Clients } from '../clients/service.ts'

/** No client can be registered under it: the colon is not among the characters of a client id. */
export const accountClientId = 'latchkey:account'
export const returnPath = '/account/return'

type Deps = {
  issuer: string
  name: string
  clients: Pick<Clients, 'planned' | 'findById'>
}

/** Public, of the first party, and good for one redirect. It is in no table: nobody changes, disables or lists it. */
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

/** Clients by id, and the account page among them. */
export function createFindClient(deps: Deps) {
  const own = accountClient(deps)
  return async (clientId: string): Promise<Client | undefined> =>
    clientId === accountClientId ? own : deps.clients.findById(clientId)
}
