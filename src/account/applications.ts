/** The applications of a user: those with a consent, and those with tokens of the account. */
import type { Client, Clients } from '../clients/service.ts'
import type { Consent, Consents } from '../consents/service.ts'
import type { Origin } from '../origin.ts'
import type { Revocation } from '../revocation/service.ts'
import { accountClientId } from './client.ts'

type Deps = {
  consents: Pick<Consents, 'list'>
  clients: Pick<Clients, 'findById'>
  revocation: Pick<Revocation, 'listAccess' | 'revokeConsent'>
}

export type Applications = ReturnType<typeof createApplications>

/** `since` in milliseconds. */
export type Application = Readonly<{
  clientId: string
  name: string
  since: number
  scopes: readonly string[]
  resources: readonly string[]
  hasTokens: boolean
}>

export function createApplications({ consents, clients, revocation }: Deps) {
  const nameOf = (client: Client | undefined, clientId: string) => client?.metadata.client_name || clientId

  async function list(accountId: string): Promise<Application[]> {
    const [allowed, { grants }] = await Promise.all([consents.list(accountId), revocation.listAccess(accountId)])
    const holders = grants.filter(({ clientId }) => clientId !== accountClientId)
    const ids = [...new Set([...allowed.keys(), ...holders.map(({ clientId }) => clientId)])]
    return Promise.all(
      ids.map(async (clientId) => {
        const consent: Consent | undefined = allowed.get(clientId)
        const own = holders.filter((grant) => grant.clientId === clientId)
        return {
          clientId,
          name: nameOf(await clients.findById(clientId), clientId),
          hasTokens: own.length > 0,
          since: Number(consent?.grantedAt ?? Math.min(...own.map(({ issuedAt }) => issuedAt))),
          scopes: consent?.scopes ?? [],
          resources: Object.entries(consent?.resources ?? {}).flatMap(([resource, scopes]) =>
            scopes.map((scope) => `${resource} ${scope}`),
          ),
        }
      }),
    )
  }

  return {
    list,
    /** Revokes the consent and every token of the application, if the account has any. */
    withdraw: async (accountId: string, clientId: string, origin: Origin): Promise<void> => {
      const isKnown = (await list(accountId)).some((one) => one.clientId === clientId)
      if (isKnown)
        await revocation.revokeConsent(accountId, clientId, { actor: { type: 'account', id: accountId }, origin })
    },
  }
}
