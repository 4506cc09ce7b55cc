/** Composes factor methods, accounts, clients, resource servers, email links and emails. */
import { createAccountsFeature, readMailbox } from '../accounts/index.ts'
import { createClientsFeature } from '../clients/index.ts'
import { createMailFeature } from '../email/index.ts'
import { createLinksFeature } from '../email-links/index.ts'
import { createMethods } from '../mfa/index.ts'
import { problemOfImportedHash } from '../passwords/index.ts'
import { createResourceServersFeature } from '../resource-servers/index.ts'
import type { Defences } from './defences.ts'
import type { PartsDeps, Platform } from './platform.ts'
import type { Tokens } from './tokens.ts'

export type Identity = ReturnType<typeof createIdentity>
type Deps = Pick<PartsDeps, 'refusedSecrets'> & { viewsFolder: string }

export function createIdentity(
  platform: Platform,
  tokens: Tokens,
  defences: Defences,
  { refusedSecrets, viewsFolder }: Deps,
) {
  const { config, database, outbox, audit, endings, serviceName, sentences, sealer } = platform
  const { clock, random, log, metrics } = platform
  const { records, resetAccount, offeredAlgorithms, clientCache } = tokens
  const { passwords, checkPassword, loginThrottle } = defences
  const { knex: db, transaction, changes } = database
  const { derive: deriveKey } = platform.rootSecret
  const { issuer, environment } = config
  const { add } = platform.features

  const factorMethods = createMethods({ db, sealer, serviceName, clock, random, issuer, deriveKey })
  const { accounts, accountImport, mailboxes } = add(
    createAccountsFeature({
      db,
      transaction,
      changes,
      audit,
      passwords,
      checkPassword,
      clock,
      random,
      resetAccount,
      revokePasskeyTrust: factorMethods.passkeys.revokeTrust,
      clearFailedLogins: loginThrottle.clear,
      problemOfHash: problemOfImportedHash,
      endings,
      log,
    }),
  )
  const { clients, digestWrongSecret, readDocument } = createClientsFeature({
    db,
    transaction,
    cache: clientCache,
    audit,
    clock,
    random,
    offeredAlgorithms,
    environment,
    refusedSecrets,
    deriveKey,
    endings,
  })
  const { resourceServers } = createResourceServersFeature({
    db,
    transaction,
    changes,
    audit,
    clock,
    offeredAlgorithms,
  })
  const { emailLinks } = add(createLinksFeature({ db, clock, random, endings }))
  const { canSendEmail, sendEmail, createRoutes } = createMailFeature({
    config,
    accounts,
    emailLinks,
    transaction,
    audit,
    outbox,
    sentences,
    viewsFolder,
    serviceName,
    findProvenEmail: records.findProvenEmail,
    readMailbox,
    clock,
    log,
    metrics,
  })
  return {
    factorMethods,
    accounts,
    accountImport,
    mailboxes,
    clients,
    digestWrongSecret,
    readClientDocument: readDocument,
    resourceServers,
    emailLinks,
    canSendEmail,
    sendEmail,
    createMailRoutes: createRoutes,
  }
}
