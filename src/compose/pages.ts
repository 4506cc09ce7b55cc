/** Composes the pages, in the order in which their routes are mounted. */
import { createAccountBrowser, createAccountGuard, createAccountRoutes, frameOf } from '../account/index.ts'
import { accountDocument } from '../accounts/index.ts'
import { oidcScopes } from '../clients/index.ts'
import { homeRoutes } from '../home/routes.ts'
import { rememberedMs } from '../mfa/index.ts'
import { acrOf, enginePaths, isMultiFactor, multiFactorAcr } from '../oidc/index.ts'
import type { PartsDeps, Platform } from './platform.ts'
import type { Built, Protocol } from './protocol.ts'

type Deps = Pick<PartsDeps, 'developmentNotes'>

export function createPages(platform: Platform, built: Built & { protocol: Protocol }, { developmentNotes }: Deps) {
  const { tokens, identity, signIn, viewKit, protocol } = built
  const { config, database, settings, audit, rootSecret, clock, random } = platform
  const { consents, records, revocation } = tokens
  const { rateLimiter } = built.defences
  const { accounts, clients, resourceServers } = identity
  const { sessions } = built.sessionParts
  const { account, mfa, registration, recovery, login } = signIn
  const { factors, factorResets, rememberedCookie } = mfa
  const { views, csrf } = viewKit
  const { interactions, accountSessions } = protocol
  const { issuer } = config
  const { browserCookie } = login
  const { add } = platform.features

  const sessionGuard = createAccountGuard({
    readSession: accountSessions.read,
    accounts,
    factors,
    pendingReset: factorResets.pending,
    isMultiFactor,
    multiFactorAcr,
    issuer,
    authorizePath: enginePaths.authorization,
    random,
    clock,
    rateLimiter,
  })
  const { browserOf, renewCookies } = createAccountBrowser({
    accountSessions,
    browserCookie,
    rememberedCookie,
    rememberedMs,
  })
  const consentPages = tokens.createConsentPages({
    interactions,
    accounts,
    resourceServers,
    views,
    offeredScopes: oidcScopes,
  })
  const finishLogin = login.createFinish({ interactions, sessions, views, acrOf })
  const factorPages = mfa.createSignInPages({ interactions, finishLogin, views })

  add({ routes: homeRoutes({ views, issuer, development: developmentNotes }) })
  add({
    routes: login.createRoutes({
      interactions,
      views,
      clearSteps: mfa.loginSteps.clear,
      factorPages,
      consentPages,
      consents,
      registration: registration.registration,
      recovery: recovery.recovery,
    }),
  })
  const { formOf } = csrf
  const { derive: deriveKey } = rootSecret
  add({ routes: registration.createRoutes({ interactions, views, issuer, formOf, deriveKey, rateLimiter }) })
  add({ routes: recovery.createRoutes({ interactions, views, renewCookies }) })
  add({
    routes: createAccountRoutes({
      accountChanges: account.accountChanges,
      accountDeletion: account.accountDeletion,
      accounts,
      records,
      sessions,
      accountSessions,
      sessionGuard,
      consents,
      clients,
      revocation,
      factors,
      factorRoutes: mfa.createAccountRoutes({ frameOf, views }),
      document: accountDocument,
      settings,
      audit,
      transaction: database.transaction,
      browserOf,
      renewCookies,
      views,
    }),
  })
  add({ routes: identity.createMailRoutes(views) })
  add({ routes: consentPages.routes })
  add({ routes: factorPages.routes })
  return { sessionGuard }
}
