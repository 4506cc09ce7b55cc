/** The account page as a client of our own: people come to it through the same login as to every application. */
import type { Client, ClientInput } from '../clients/client.ts'

/** No client can be registered under it: the colon is not among the characters of a client id. */
export const accountClientId = 'latchkey:account'
export const returnPath = '/account/return'

type Deps = {
  issuer: string
  name: string
  /** Completes an input as if it were to be kept. */
  planned: (input: ClientInput & { clientId: string }) => Omit<Client, 'secretDigests' | 'createdAt' | 'updatedAt'>
}

/** Public, of the first party, and good for one redirect. It is in no table: nobody changes, disables or lists it. */
export function accountClient({ issuer, name, planned }: Deps): Client {
  const metadata = { client_name: name, redirect_uris: [issuer + returnPath], grant_types: ['authorization_code'] }
  const row = planned({
    clientId: accountClientId,
    kind: 'spa',
    isFirstParty: true,
    metadata: { ...metadata, scope: 'openid' },
  })
  return { ...row, secretDigests: [], createdAt: 0, updatedAt: 0 }
}
