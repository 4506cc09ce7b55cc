/**
 * Every part of a process, built once in this order: for the server, the command line and the
 * tests.
 */
import { join } from 'node:path'
import { normaliseEmail, readAccountDocument } from '../accounts/index.ts'
import { oidcScopes } from '../clients/index.ts'
import { isProduction } from '../config/modes.ts'
import { readResourceServerDocument } from '../resource-servers/index.ts'
import { createSeed } from '../seed/service.ts'
import { createDefences } from './defences.ts'
import { createIdentity } from './identity.ts'
import { createPages } from './pages.ts'
import type { PartsDeps } from './platform.ts'
import { createPlatform } from './platform.ts'
import { createProtocol } from './protocol.ts'
import { createServing } from './server.ts'
import { createSessionParts } from './sessions.ts'
import { createSignIn } from './sign-in.ts'
import { createTokens } from './tokens.ts'
import { createViewKit } from './views.ts'

export type Parts = Awaited<ReturnType<typeof createParts>>

const viewsFolder = join(import.meta.dirname, '../../views')

/**
 * Builds everything on a migrated database; only the root secret and the key ring are read, or
 * created at first use. Throws WrongMasterKey when the database was created with another master
 * key; then nothing was changed.
 */
export async function createParts(deps: PartsDeps) {
  const platform = await createPlatform(deps)
  const tokens = await createTokens(platform)
  const defences = createDefences(platform, deps)
  const identity = createIdentity(platform, tokens, defences, { ...deps, viewsFolder })
  const sessionParts = await createSessionParts(platform, tokens, identity)
  const signIn = createSignIn(platform, tokens, defences, identity)
  const viewKit = createViewKit(platform, defences, { folder: viewsFolder })
  const serving = createServing(platform, tokens)
  const built = { tokens, defences, identity, sessionParts, signIn, viewKit }
  const protocol = createProtocol(platform, built)
  const pages = createPages(platform, { ...built, protocol }, deps)

  const { audit, database, config, features } = platform
  const seed = createSeed({
    transaction: database.transaction,
    audit,
    accounts: identity.accounts,
    clients: identity.clients,
    resourceServers: identity.resourceServers,
    checkPassword: defences.checkPassword,
    normaliseEmail,
    readers: {
      account: readAccountDocument,
      client: identity.readClientDocument,
      resourceServer: readResourceServerDocument,
    },
    oidcScopes,
    isProduction: isProduction(config),
  })
  platform.endings.refuseMissing()
  platform.outbox.refuseUnhandled()

  return {
    ...platform,
    ...tokens,
    ...defences,
    ...identity,
    ...sessionParts,
    ...viewKit,
    ...serving,
    ...protocol,
    ...pages,
    ...signIn.account,
    ...signIn.mfa,
    registration: signIn.registration.registration,
    recovery: signIn.recovery.recovery,
    securityNotifications: signIn.login.securityNotifications,
    passkeys: identity.factorMethods.passkeys,
    seed,
    routes: features.routes(),
    duties: features.duties(),
    tasks: features.tasks(),
    outsideTasks: features.outsideTasks(),
    /** Closes everything except the database, which its opener closes. */
    close: features.close,
  }
}
