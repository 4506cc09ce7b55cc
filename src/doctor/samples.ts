/**
 * What the doctor checks about clients and users: samples of the development seed, and risky
 * settings.
 */
import { readRootSecret } from '../../keys/root-secret.ts'
import { createSealer } from '../../keys/sealer.ts'
import { normaliseEmail } from '../accounts/email.ts'
import { listClients } from '../clients/repository.ts'
import { listScopes, oidcScopes } from '../clients/scopes.ts'
import { clientSecretPurpose, createClientSecrets } from '../clients/secrets.ts'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { publicKeyProblem } from '../public-keys.ts'
import { systemRandom } from '../random.ts'
import { listResourceServers } from '../resource-servers/repository.ts'
import { sampleClientIds, sampleEmails, sampleSecrets } from '../seed/samples.ts'
import type { Stores } from '../stores.ts'
import type { Samples } from './verdicts.ts'

const everything = 100_000
const isLoopback = (uri: string): boolean => /^http:/.test(uri)

/** Only reads. A database without a schema has no samples. */
export async function findSamples({ database: { knex } }: Stores, config: Config): Promise<Samples> {
  const sealer = createSealer(config.masterKey, config.previousMasterKey)
  const rootSecret = (await knex.schema.hasTable('client')) ? await readRootSecret({ knex, sealer }) : undefined
  if (!rootSecret) return { clientIds: [], emails: [], loopbackClientIds: [] }
  const secrets = createClientSecrets({ digestKey: rootSecret.derive(clientSecretPurpose), random: systemRandom })
  const now = systemClock.now()
  const clients = await listClients(knex, everything)
  const isSample = (client: (typeof clients)[number]) =>
    sampleClientIds.includes(client.clientId) || sampleSecrets.some((secret) => secrets.matches(client, secret, now))
  const emails: string[] = await knex('account').whereIn('email_key', sampleEmails.map(normaliseEmail)).pluck('email')
  const loopback = clients.filter(({ kind, metadata }) => kind !== 'native' && metadata.redirect_uris.some(isLoopback))
  return {
    clientIds: clients.filter(isSample).map(({ clientId }) => clientId),
    emails,
    loopbackClientIds: loopback.map(({ clientId }) => clientId),
  }
}

/** Every client with those of its scopes that belong to no resource server. */
export async function listClientNotes({ database: { knex } }: Stores) {
  if (!(await knex.schema.hasTable('resource_server'))) return []
  const apis = await listResourceServers(knex, everything)
  const known = new Set<string>([...oidcScopes, ...apis.flatMap(({ scopes }) => scopes.map(({ name }) => name))])
  const clients = await listClients(knex, everything)
  return clients.map(({ clientId, requirePkce, metadata }) => ({
    clientId,
    requirePkce,
    hasBadKey: (metadata.jwks?.keys ?? []).some((key) => publicKeyProblem(key) !== undefined),
    unknownScopes: listScopes(metadata.scope).filter((scope) => !known.has(scope)),
  }))
}
