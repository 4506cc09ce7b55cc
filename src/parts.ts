/** Every part there is, built once: for the server, the command line and the tests. Read from top to bottom it is the server. */
import { join } from 'node:path'
import type { Context } from 'koa'
import { createArtifactStore } from '../adapters/index.ts'
import { createKeyRing } from '../keys/key-ring.ts'
import { measureKeyRing } from '../keys/ring-metrics.ts'
import { openRootSecret } from '../keys/root-secret.ts'
import { createRotation } from '../keys/rotation.ts'
import { createSealer } from '../keys/sealer.ts'
import { administratorRoles } from './access/permissions.ts'
import { accessRoutes } from './account/access-routes.ts'
import { createApplications } from './account/applications.ts'
import { accountClient, accountClientId } from './account/client.ts'
import { dataRoutes } from './account/data-routes.ts'
import { createDossier } from './account/dossier.ts'
import { createCallerOf, frameOf } from './account/frame.ts'
import { createLeaving } from './account/leaving.ts'
import { overviewRoutes } from './account/overview-routes.ts'
import { createProfileChanges } from './account/profile.ts'
import { profileRoutes } from './account/profile-routes.ts'
import { accountRoutes } from './account/routes.ts'
import { securityRoutes } from './account/security-routes.ts'
import { createAccountChanges } from './account/service.ts'
import { createSessionGuard } from './account/session-guard.ts'
import { createSetEmail } from './account/set-email.ts'
import { accountDocument, readAccountDocument } from './accounts/document.ts'
import { normaliseEmail, readMailbox } from './accounts/email.ts'
import { accountReset } from './accounts/errors.ts'
import { createAccountImport } from './accounts/import.ts'
import { listPasswordCosts } from './accounts/password-costs.ts'
import { createAccountRecords } from './accounts/records.ts'
import { createAccounts, loadAccount } from './accounts/service.ts'
import { createMailboxSettling } from './accounts/settle.ts'
import { createAudit } from './audit/service.ts'
import { captchaFiles } from './captcha/files.ts'
import { createCaptcha } from './captcha/service.ts'
import { readClientDocument } from './clients/document.ts'
import { assertionAlgorithms } from './clients/key-set.ts'
import { allowedScope, oidcScopes, staticScope } from './clients/scopes.ts'
import { clientSecretPurpose, createClientSecrets } from './clients/secrets.ts'
import { createClients, loadClient } from './clients/service.ts'
import { hasPlainPort } from './clients/uris.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config/config.ts'
import { createConsentPages } from './consents/routes.ts'
import { createConsents, loadConsents } from './consents/service.ts'
import type { Database, Tx } from './database/database.ts'
import { createOutages } from './database/outages.ts'
import { createRowCache } from './database/row-cache.ts'
import type { ClockOffset } from './following-clock.ts'
import { createFollowingClock } from './following-clock.ts'
import type { DevelopmentNotes } from './home/routes.ts'
import { homeRoutes } from './home/routes.ts'
import { createRequestLog, requestIdOf } from './http/access-log.ts'
import { countedAddress, countedNetwork, createIpOf, plainAddress, prefixesOf } from './http/address.ts'
import { loadAssets } from './http/assets.ts'
import { createCookieKeys } from './http/cookie-keys.ts'
import { createCsrf } from './http/csrf.ts'
import { createReadiness, healthRoutes } from './http/health.ts'
import { findDeepParameter, findLongParameter } from './http/parameters.ts'
import { createPreparedDocuments } from './http/prepared.ts'
import { createViews } from './http/views.ts'
import { createQueue } from './jobs/queue.ts'
import { createGate } from './limits/gate.ts'
import { measureGuesses } from './limits/guess-metrics.ts'
import { createGuesses } from './limits/guesses.ts'
import { createNetworks } from './limits/networks.ts'
import { createProofs } from './limits/proofs.ts'
import { createRedisStore } from './limits/redis.ts'
import { createPostgresStore, deleteForgotten } from './limits/repository.ts'
import { createLimits } from './limits/service.ts'
import { createLinks } from './links/service.ts'
import { createSentences } from './locales.ts'
import type { Log } from './log.ts'
import { createRefuseBreached } from './login/breached.ts'
import { createBrowserCookie } from './login/browser-cookie.ts'
import { createFinishLogin } from './login/finish.ts'
import { createLoginNotices } from './login/notices.ts'
import { loginRoutes } from './login/routes.ts'
import { createLogin } from './login/service.ts'
import { createLogout, logoutTask } from './logout/service.ts'
import type { MailIntent } from './mail/intent.ts'
import { createKeptMails } from './mail/kept.ts'
import { createLetters } from './mail/letters.ts'
import { createSendMail } from './mail/notifications.ts'
import { withPatience } from './mail/patience.ts'
import { devMailRoutes } from './mail/routes.ts'
import { createPostman } from './mail/service.ts'
import { createTransport } from './mail/transport.ts'
import { createMetrics } from './metrics.ts'
import { factorAccountRoutes } from './mfa/account-routes.ts'
import { createFactorFailures } from './mfa/failures.ts'
import { createMethods, factorViews } from './mfa/methods/index.ts'
import { passkeyFiles } from './mfa/methods/passkey/files.ts'
import { measureFactors, measureResets } from './mfa/metrics.ts'
import { createRememberedCookie } from './mfa/remembered-cookie.ts'
import { createFactorResets } from './mfa/reset.ts'
import { factorResetRoutes } from './mfa/reset-routes.ts'
import { createFactorPages } from './mfa/routes.ts'
import { createFactors } from './mfa/service.ts'
import { createLoginSteps, rememberedMs } from './mfa/steps.ts'
import { createAccountSessions } from './oidc/account-session.ts'
import { acrOf, levelOfAcr, reaches } from './oidc/acr.ts'
import { cookieOptions } from './oidc/configuration.ts'
import { discoveryAround } from './oidc/discovery.ts'
import { routes as enginePaths, pathsOf } from './oidc/endpoints.ts'
import { createInteractions } from './oidc/interaction.ts'
import { createInteractionCookie } from './oidc/interaction-cookie.ts'
import { createJwksAround, oldestConfirmationMs } from './oidc/jwks.ts'
import { createAccessTokenVerifier } from './oidc/jwt-access-token.ts'
import { createLifetimes } from './oidc/lifetimes.ts'
import { createEngineLimits } from './oidc/limits.ts'
import { createLogoutAround } from './oidc/logout.ts'
import { createLogoutTokens } from './oidc/logout-token.ts'
import { createEnginePages } from './oidc/pages.ts'
import { createAddresses } from './oidc/post-to-get.ts'
import { createOidc } from './oidc/provider.ts'
import { createSessionNotes } from './oidc/session-notes.ts'
import { createStaleBrowserAnswers } from './oidc/stale-browser.ts'
import { createStructuredTokensAround } from './oidc/structured-tokens.ts'
import { tokenErrorsAround } from './oidc/token-errors.ts'
import { createOutbound } from './outbound/service.ts'
import { kinds } from './outbox/kinds/index.ts'
import { createOutbox } from './outbox/service.ts'
import { createBreaches } from './passwords/breaches.ts'
import { hashingBusy } from './passwords/errors.ts'
import { createGuessing } from './passwords/guessing.ts'
import { createPasswordHasher, problemOfImportedHash } from './passwords/hasher.ts'
import { createPasswordPolicy } from './passwords/service.ts'
import type { Random } from './random.ts'
import { recoveryRoutes } from './recovery/routes.ts'
import { createRecovery } from './recovery/service.ts'
import { createRedis } from './redis/connection.ts'
import { createRegistrationCookie } from './registration/browser-cookie.ts'
import { registrationRoutes } from './registration/routes.ts'
import { createRegistration } from './registration/service.ts'
import { readResourceServerDocument } from './resource-servers/document.ts'
import { entitledScopes, tokenLifetime } from './resource-servers/resource-server.ts'
import { createResourceServers, loadResourceServer } from './resource-servers/service.ts'
import type { CarryOn } from './revocation/account-end.ts'
import { createAccountEnd } from './revocation/account-end.ts'
import { createFamilyNotes } from './revocation/families.ts'
import { createRevocation } from './revocation/service.ts'
import { createEndedSweep, enqueueSweep } from './revocation/sweep.ts'
import { createSeed } from './seed/service.ts'
import { openPlaces } from './sessions/places.ts'
import { createSessions } from './sessions/service.ts'
import { createSetUps } from './set-ups/service.ts'
import { createSettings } from './settings/service.ts'
import { createSigningKeys, recordKeyChange } from './signing-keys/service.ts'

export type Parts = Awaited<ReturnType<typeof createParts>>

export type PartsDeps = {
  config: Config
  database: Database
  /** A direct connection for the queue, which listens. */
  queueUrl: string
  clock: Clock
  /** How far `clock` is from the database's; undefined: it is right. */
  measureClock?: () => Promise<ClockOffset>
  random: Random
  log: Log
  /** Passwords hashed at the same time in this process. */
  hashingSlots: number
  /** What the home page of a development server says; undefined in production. */
  developmentNotes?: DevelopmentNotes
  /** Known sample values that production refuses. */
  refusedSecrets: readonly string[]
}

const cachedRows = 10_000
const viewsFolder = join(import.meta.dirname, '../views')

/**
 * Builds everything on a migrated database and touches it only to open the root secret and the key ring, which it makes on first use.
 * Throws WrongMasterKey when the database was made under another master key; nothing is changed then.
 */
export async function createParts(deps: PartsDeps) {
  const { config, database, random, log } = deps
  const clock = createFollowingClock({ system: deps.clock, measure: deps.measureClock, log })
  await clock.follow()
  const { knex, pool, transaction, changes } = database
  const isDevelopment = config.environment !== 'production'

  const metrics = createMetrics()
  const sentences = createSentences({ isStrict: config.environment === 'test' })
  const sealer = createSealer(config.masterKey, config.previousMasterKey)
  const rootSecret = await openRootSecret({ transaction, sealer, random, clock })
  const redis = config.redisUrl === undefined ? undefined : createRedis({ url: config.redisUrl, log })

  const outbound = await createOutbound({ allowed: config.outboundAllow, metrics })
  const queue = createQueue({ url: deps.queueUrl, log, metrics })
  // The postman and logout know people and clients, whose changes they tell of: they are there by the time the first event goes.
  const outbox = createOutbox({
    kinds,
    enqueue: queue.enqueue,
    sealer,
    random,
    log,
    deliverLogout: (id) => logout.adopt(id),
    postMail: (...mail) => postman.post(...mail),
  })
  const audit = createAudit({
    db: knex,
    clock,
    random,
    write: (tx, event, row) => outbox.send(tx, 'audit-log', event, row),
  })
  const settings = await createSettings({
    db: knex,
    transaction,
    changes,
    audit,
    clock,
    log,
    // Whoever tries Latchkey out wants to see people arrive.
    ...(config.environment === 'development' && { defaults: { registration: 'open' } }),
  })
  const limits = createLimits({
    stores: [...(redis ? [createRedisStore(redis.client)] : []), createPostgresStore(pool)],
    settings,
    clock,
    log,
    metrics,
    canonical: normaliseEmail,
    countedAddress,
    countedNetwork,
    digestKey: rootSecret.derive('request limits'),
    sweepRows: (before, most) => deleteForgotten(pool, before, most),
  })
  const gate = createGate({ limits })
  const serviceName = () => settings.get().serviceName
  const accountCache = createRowCache({ table: 'account', changes, maxEntries: cachedRows, load: loadAccount(knex) })
  const clientCache = createRowCache({ table: 'client', changes, maxEntries: cachedRows, load: loadClient(knex) })
  const consentCache = createRowCache({ table: 'consent', changes, maxEntries: cachedRows, load: loadConsents(knex) })
  const resourceServerCache = createRowCache({
    table: 'resource_server',
    changes,
    maxEntries: cachedRows,
    load: loadResourceServer(knex),
  })

  const outages = createOutages({ db: knex, clock, log })
  const artifacts = createArtifactStore({
    pool,
    isPooled: database.isPooled,
    ...(redis && { redis: redis.client }),
    transaction,
    clock,
    log,
    deriveKey: rootSecret.derive,
    areStoresAgreed: () => setUps.mayKeep(),
    graceSeconds: async (clientId) => (await clientCache.get(clientId))?.refreshGraceSeconds ?? 0,
    allowedScope: async (clientId, scope) => {
      const client = await clientCache.get(clientId)
      return client ? allowedScope(client, scope) : scope
    },
    graceBegins: outages.graceBegins,
    windowsOverUntil: outages.windowsOverUntil,
    endsAt: createLifetimes({ settings, findClient: clientCache.get }),
    ...createFamilyNotes({ audit, metrics }),
    onSessionsEnded: (tx, sessions) => logout.noteEnded(tx, sessions),
    onRowsLeft: (tx, key) => enqueueSweep(queue.enqueue, tx, key),
  })

  const consents = createConsents({ db: knex, transaction, cache: consentCache, audit, clock })
  const revocation = createRevocation({
    transaction,
    audit,
    consents,
    clock,
    metrics,
    artifacts: {
      ...artifacts,
      // Sign-ins under way and remembered browsers end with the sessions.
      endAccount: async (tx, accountId, options) => {
        await loginSteps.endSignIns(tx, accountId)
        return artifacts.endAccount(tx, accountId, options)
      },
    },
  })
  const { endClient } = revocation
  const records = createAccountRecords({ clock })
  const endAccount = createAccountEnd({
    records,
    artifacts,
    random,
    endings: [
      (tx, accountId) => links.end(tx, accountId),
      (tx, accountId) => factorResets.endAccount(tx, accountId),
      (...ending) => loginSteps.endAccount(...ending),
      (...ending) => guesses.endAccount(...ending),
    ],
  })
  const { endSigningKey } = artifacts

  const rotation = createRotation({
    knex,
    transaction,
    sealer,
    clock,
    random,
    endSigningKey,
    ...config.signingKeys,
    record: recordKeyChange(audit),
  })
  await rotation.makeMissing()
  const { algorithms } = config.signingKeys
  const setUps = createSetUps({ db: knex, clock, random, log, redisUrl: config.redisUrl })
  const alongside = async () => {
    await Promise.all([clock.follow(), setUps.tell()])
  }
  const keyRing = await createKeyRing({
    knex,
    changes,
    sealer,
    clock,
    log,
    algorithms,
    alongside,
    heartbeat: outages.heartbeat,
  })
  measureKeyRing({ keyRing, metrics, clock })
  const jwksTimes = {
    cacheSeconds: config.signingKeys.jwksCacheSeconds,
    announcedMs: config.signingKeys.times.announcedMs,
  }
  const offeredAlgorithms = () => keyRing.current().algorithms
  const signingKeys = createSigningKeys({ rotation, offered: algorithms })

  const captcha = createCaptcha({
    db: knex,
    clock,
    signatureKey: rootSecret.derive('captcha'),
    solutionKey: rootSecret.derive('captcha solutions'),
  })
  const guesses = createGuesses({
    db: knex,
    clock,
    captcha,
    prefixesOf,
    key: rootSecret.derive('guesses'),
    metrics: measureGuesses(metrics),
    normalise: normaliseEmail,
    busy: () => hashingBusy({ retryAfterSeconds: 5 }),
  })
  const proofs = createProofs({ limits, normalise: normaliseEmail, clock })
  const networks = createNetworks({ guesses, plainAddress, prefixesOf, transaction, audit })
  // A key of its own: what is counted says nothing about what is stored.
  const wrongSecrets = createClientSecrets({ digestKey: rootSecret.derive('wrong client secrets'), random })
  const listCosts = () => listPasswordCosts(knex)
  const passwords = createPasswordHasher({
    ...config.passwordHash,
    slots: deps.hashingSlots,
    metrics,
    prefixesOf,
    listCosts,
    log,
  })
  const breaches =
    config.breachCheck && createBreaches({ ...config.breachCheck, request: outbound.request, clock, log, metrics })
  const guessing = createGuessing({ log })
  const passwordPolicy = createPasswordPolicy({ settings, breaches, guessing, refusedSecrets: deps.refusedSecrets })
  const checkPassword = passwordPolicy.check
  const accounts = createAccounts({
    db: knex,
    transaction,
    cache: accountCache,
    audit,
    passwords,
    checkPassword,
    clock,
    random,
    endAccount,
    distrustPasskeys: (tx, accountId) => methods.passkeys.distrust(tx, accountId),
    forgetGuesses: guesses.forget,
  })
  const clients = createClients({
    db: knex,
    transaction,
    cache: clientCache,
    audit,
    secrets: createClientSecrets({ digestKey: rootSecret.derive(clientSecretPurpose), random }),
    clock,
    random,
    endClient,
    offeredAlgorithms,
    isDevelopment,
    refusedSecrets: deps.refusedSecrets,
  })
  const resourceServers = createResourceServers({
    db: knex,
    transaction,
    cache: resourceServerCache,
    audit,
    clock,
    offeredAlgorithms,
  })
  const places = config.geoipDatabase === undefined ? undefined : await openPlaces(config.geoipDatabase)
  const sessions = createSessions({
    db: knex,
    transaction,
    audit,
    artifacts,
    clock,
    random,
    forgetBrowsers: (tx, accountId) => loginSteps.endSignIns(tx, accountId),
    placeOf: (address) => places?.(address),
  })
  const makeLogoutToken = createLogoutTokens({ issuer: config.issuer, keyRing, now: clock.now, random })
  const logout = createLogout({
    db: knex,
    transaction,
    clients,
    // The lane is also that of the version before. The key is for the job of the lane alone, so that no request waits for another.
    wake: (tx, clientId, { delayMs = 0, isOwn } = {}) => {
      const lane = `logout:${clientId}`
      return queue.enqueue(tx, logoutTask, { clientId }, { delayMs, lane, ...(isOwn && { key: lane }) })
    },
    makeToken: (event, { metadata }) => makeLogoutToken({ ...event, algorithm: metadata.id_token_signed_response_alg }),
    post: (url, form) => outbound.request(url, { purpose: 'logout', method: 'POST', form }),
    audit,
    sealer,
    clock,
    random,
    log,
    metrics,
  })

  const accountImport = createAccountImport({
    db: knex,
    transaction,
    audit,
    clock,
    random,
    problemOfHash: problemOfImportedHash,
  })
  const links = createLinks({ db: knex, clock, random })
  const kept = config.environment === 'development' ? createKeptMails({ clock }) : undefined
  const postman = createPostman({
    accounts,
    links,
    transaction,
    audit,
    kept,
    clock,
    metrics,
    log,
    issuer: config.issuer,
    from: config.mail.from,
    letters: createLetters({ folder: join(viewsFolder, 'mail'), sentences, issuer: config.issuer, serviceName }),
    transport: config.mail.smtp && withPatience(createTransport(config.mail.smtp)),
    serviceName,
    readMailbox,
  })
  const methods = createMethods({
    db: knex,
    sealer,
    serviceName,
    clock,
    random,
    issuer: config.issuer,
    deriveKey: rootSecret.derive,
  })
  const people = {
    accounts,
    records,
    links,
    passwords,
    checkPassword,
    transaction,
    audit,
    clock,
    canSendMail: postman.canSend,
    sendMail: createSendMail({
      send: (tx: Tx, intent: MailIntent) => outbox.send(tx, 'mail', intent),
      findProvenEmail: records.findProvenEmail,
    }),
    endAccount,
    distrustPasskeys: methods.passkeys.distrust,
    // A new password: what was tried against the old one counts no longer.
    forgetGuesses: guesses.forget,
    attemptProof: guesses.attemptProof,
    proofs,
  }
  const failures = createFactorFailures({ db: knex, sendMail: people.sendMail, transaction, audit, clock })
  const factors = createFactors({
    methods: methods.methods,
    recoveryCodes: methods.recoveryCodes,
    accounts,
    failures,
    transaction,
    audit,
    clock,
    sendMail: people.sendMail,
    lockAccount: async (tx, accountId, generation) => (await records.lock(tx, accountId, generation)).account,
    endAccount,
    setFactorRequired: records.setFactorRequired,
    administratorRoles,
  })
  const factorResets = createFactorResets({
    db: knex,
    factors,
    links,
    lockAccount: async (tx, accountId, generation) => (await records.lock(tx, accountId, generation)).account,
    canSendMail: postman.canSend,
    sendMail: people.sendMail,
    transaction,
    audit,
    clock,
    metrics: measureResets(metrics),
  })
  const loginSteps = createLoginSteps({
    db: knex,
    transaction,
    audit,
    accounts,
    factors,
    failures,
    methods: methods.methods,
    clock,
    random,
    refuseElsewhere: (account, clientId) => leaving.refuseElsewhere(account, clientId),
    endReset: (owner, origin) => factorResets.endProven(owner, origin),
    metrics: measureFactors(metrics),
  })
  const registration = createRegistration({
    ...people,
    settings,
    random,
    voidAll: async (tx, accountId) => {
      await endAccount(tx, accountId)
      await consents.forgetAll(tx, accountId)
      await factors.voidAll(tx, accountId)
    },
  })
  const recovery = createRecovery(people)
  const { refuseUnproven } = registration
  const notices = createLoginNotices({ ...people, guesses })
  const refuseBreached = createRefuseBreached({ ...people, breaches })
  const login = createLogin({
    accounts,
    passwords,
    transaction,
    audit,
    refuseUnproven,
    refuseBreached,
    provePasskey: methods.passkeys.signIn,
    refusePasskey: methods.passkeys.refuse,
    guesses,
    proofs,
    notices,
  })
  const accountChanges = createAccountChanges(people)
  const setEmail = createSetEmail(people)
  const mailboxes = createMailboxSettling({
    db: knex,
    transaction,
    audit,
    endAddress: async (tx, accountId) => {
      await links.end(tx, accountId)
      await guesses.forgetBrowsers(tx, accountId)
    },
    log,
  })
  const leaving = createLeaving({
    db: knex,
    changes: accountChanges,
    records,
    settings,
    transaction,
    audit,
    clock,
    endAccount,
    sendMail: people.sendMail,
    issuer: config.issuer,
  })

  const seed = createSeed({
    transaction,
    audit,
    accounts,
    clients,
    resourceServers,
    checkPassword,
    normaliseEmail,
    readers: {
      account: readAccountDocument,
      client: (entry) => readClientDocument(entry, { isDevelopment, refusedSecrets: deps.refusedSecrets }),
      resourceServer: readResourceServerDocument,
    },
    oidcScopes,
    isProduction: !isDevelopment,
  })

  const interactionCookie = createInteractionCookie({ issuer: config.issuer, clock })
  const csrf = createCsrf({
    key: rootSecret.derive('csrf'),
    issuer: config.issuer,
    random,
    ofPage: interactionCookie.ofPage,
  })
  const assets = loadAssets(join(viewsFolder, 'assets'), { ...captchaFiles(), ...passkeyFiles() })
  const views = createViews({
    folder: viewsFolder,
    partials: factorViews(),
    sentences,
    csrf,
    assetUrl: assets.url,
    issuer: config.issuer,
    serviceName,
    passwordRules: passwordPolicy.shownRules,
  })

  const pages = createEnginePages({ views, accounts, requestIdOf })
  const cookieKeys = createCookieKeys([rootSecret.derive('cookies')])
  const ownClient = accountClient({
    issuer: config.issuer,
    name: sentences.t('pages.own.clientName'),
    planned: clients.planned,
  })
  const engineLimits = createEngineLimits({ gate, artifacts, countedAddress, digest: wrongSecrets.digest })
  const engine = createOidc({
    config,
    settings,
    artifacts,
    keyRing,
    cookieKeys,
    accounts: {
      ...accounts,
      // Whoever leaves is nobody to an application.
      findForClient: async (id: string, clientId: string | undefined) => {
        const account = await accounts.findById(id)
        return account?.deleteAt !== undefined && clientId !== accountClientId ? undefined : account
      },
    },
    clients: {
      ...clients,
      findById: async (clientId) => (clientId === accountClientId ? ownClient : clients.findById(clientId)),
    },
    resourceServers,
    offeredScopes: oidcScopes,
    staticScope,
    entitledScopes,
    hasPlainPort,
    consents,
    pages,
    findLongParameter,
    findDeepParameter,
    assertionAlgorithms,
    reachableLevel: factors.reachable,
    dpopNonceSecret: rootSecret.derive('dpop nonces'),
    fetchKeys: (url) => outbound.request(url, { purpose: 'jwks', accept: 'application/json' }),
    clock,
    log,
    limits: engineLimits,
    tokenlessClientId: accountClientId,
    interactionCookie,
    around: [
      createSessionNotes({
        note: sessions.note,
        failed: (error) => log.warn({ err: error }, 'a session could not be described'),
      }),
      discoveryAround,
      createJwksAround({ keyRing, ...jwksTimes }),
      tokenErrorsAround,
      createStructuredTokensAround({
        verify: createAccessTokenVerifier({ issuer: config.issuer, keyRing, now: clock.now }),
        tokenIds: artifacts.tokenIds,
        mayIntrospect: resourceServers.mayIntrospect,
        clients,
        accounts,
        deny: revocation.token,
        denyLost: async (ctx, clientId, token) => {
          // Without Redis there is no store that could come back with it.
          if (!redis) return
          await gate.countIdentifier(ctx, 'unknown_token', clientId)
          const longest = Math.max(settings.get().accessTokenSeconds, tokenLifetime.max)
          await artifacts.denyLost(clientId, token, longest)
        },
      }),
      createLogoutAround({
        goOn: (ctx, url) => views.render(ctx, 'continue', { url }),
        endSession: sessions.end,
        sidOf: artifacts.sidOf,
        sessionCookie: { ...cookieOptions(config.issuer), path: '/' },
        formPost: pages.formPost,
      }),
    ],
  })
  const interactions = createInteractions({
    provider: engine.provider,
    cookie: interactionCookie,
    generationOf: artifacts.generationOf,
    outcomes: artifacts.outcomes,
    answers: artifacts.answers,
  })
  const addressOf = createAddresses({ park: artifacts.park, random })
  const answerStaleBrowsers = createStaleBrowserAnswers({
    findResponse: artifacts.outcomes.findResponse,
    showRetry: (ctx, url, afterSeconds) => views.render(ctx, 'continue', { url, afterSeconds }),
    accountReset: () => accountReset(),
    sessionCookie: {
      name: () => engine.provider().cookieName('session'),
      read: (ctx) => ctx.cookies.get(engine.provider().cookieName('session'), { signed: true }),
      clear: (ctx) =>
        ctx.cookies.set(engine.provider().cookieName('session'), null, { ...cookieOptions(config.issuer), path: '/' }),
    },
    isLiving: async (id) => (await artifacts.adapter('Session').find(id)) !== undefined,
    endInteraction: async (ctx, uid) => {
      await artifacts.adapter('Interaction').destroy(uid)
      interactionCookie.clear(ctx, uid)
    },
    random,
    addressOf,
  })

  const accountSessions = createAccountSessions({
    provider: engine.provider,
    generationOf: artifacts.generationOf,
    cookie: { ...cookieOptions(config.issuer), path: '/' },
  })
  const sessionGuard = createSessionGuard({
    readSession: accountSessions.read,
    accounts,
    factors,
    random,
    clock,
    issuer: config.issuer,
    authorizePath: enginePaths.authorization,
    multiFactorAcr: acrOf('multi_factor'),
    pendingReset: factorResets.pending,
    countForm: (ctx, accountId) => gate.countIdentifier(ctx, 'account', accountId),
    isMultiFactor: (acr) => reaches(levelOfAcr(acr) ?? 'password', 'multi_factor'),
  })
  const applications = createApplications({ consents, clients, revocation })
  const dossier = createDossier({ audit, sessions, applications, factors, document: accountDocument })
  const consentPages = createConsentPages({
    interactions,
    consents,
    accounts,
    resourceServers,
    views,
    offeredScopes: oidcScopes,
  })
  const browserCookie = createBrowserCookie({ issuer: config.issuer, random })
  const rememberedCookie = createRememberedCookie({ issuer: config.issuer })
  const browserOf = (ctx: Context) => ({
    knownToken: browserCookie.read(ctx),
    rememberedToken: rememberedCookie.read(ctx),
  })
  const callerOf = createCallerOf(browserOf)
  const carryOn: CarryOn = (ctx, { session, knownToken, rememberedToken }) => {
    accountSessions.rename(ctx, session)
    if (knownToken !== undefined) browserCookie.keep(ctx, knownToken)
    if (rememberedToken !== undefined) rememberedCookie.write(ctx, rememberedToken, rememberedMs)
  }
  const finishLogin = createFinishLogin({ interactions, sessions, views, acrOf, notices, cookie: browserCookie })
  const factorPages = createFactorPages({
    interactions,
    steps: loginSteps,
    factors,
    finishLogin,
    views,
    methods: methods.methods,
    remembered: rememberedCookie,
    offersReset: factorResets.isOffered,
  })
  const registrationCookie = createRegistrationCookie({
    issuer: config.issuer,
    key: rootSecret.derive('registration browsers'),
    formOf: csrf.formOf,
  })
  const readiness = createReadiness()
  const ipOf = createIpOf(config.trustProxy, setUps.noteUntrustedPeer)
  const logRequest = createRequestLog({ log, clock })
  const documents = createPreparedDocuments({
    paths: pathsOf(({ caller }) => caller === 'anyone'),
    versionsOf: () => [keyRing.current().version, settings.get()],
    isConfirmed: () => keyRing.unconfirmedMs() <= oldestConfirmationMs(jwksTimes),
    ipOf,
    logRequest,
    random,
  })
  const routes = [
    ...homeRoutes({ views, issuer: config.issuer, development: deps.developmentNotes }),
    ...assets.routes,
    ...healthRoutes({
      checks: {
        database: database.state,
        keys: () => keyRing.confirm().then(() => true),
        clock: async () => clock.isRight(),
        stores: async () => setUps.isAgreed(),
        server: async () => (readiness.isStopping() ? 'stopping' : 'ok'),
      },
      // What belongs there is kept in Postgres meanwhile.
      ...(redis && { spare: { redis: redis.state } }),
    }),
    ...loginRoutes({
      interactions,
      login,
      accounts,
      views,
      passkeyOptions: (interaction) => methods.passkeys.requestOptions(interaction),
      needsCaptcha: guesses.needsCaptcha,
      createCaptcha: captcha.create,
      browserToken: browserCookie.read,
      countedAs: guesses.countedAs,
      showStep: factorPages.show,
      beginSteps: factorPages.begin,
      clearSteps: loginSteps.clear,
      showConsent: consentPages.show,
      noteRefusal: consents.refuse,
      offers: () => ({ registration: registration.isOpen(), recovery: recovery.isOffered }),
    }),
    ...registrationRoutes({
      registration,
      interactions,
      views,
      cookie: registrationCookie,
      countRegistration: (ctx, email) => gate.countIdentifier(ctx, 'register', email),
    }),
    ...recoveryRoutes({ recovery, interactions, views, carryOn }),
    ...accountRoutes({ changes: accountChanges, sessions: accountSessions, browserOf, carryOn, views }),
    ...overviewRoutes({ sessionGuard, frameOf, views }),
    ...profileRoutes({ frameOf, views, profile: createProfileChanges({ accounts, records, transaction }) }),
    ...securityRoutes({
      frameOf,
      callerOf,
      carryOn,
      views,
      changes: accountChanges,
    }),
    ...factorAccountRoutes({ frameOf, factors, methods: methods.methods, steps: loginSteps, views }),
    ...accessRoutes({ frameOf, sessions, accountSessions, applications, views }),
    ...dataRoutes({
      frameOf,
      callerOf,
      carryOn,
      dossier,
      leaving,
      views,
      graceDays: () => Math.ceil(settings.get().accountDeletionSeconds / 86_400),
    }),
    ...(kept ? devMailRoutes({ views, kept }) : []),
    ...consentPages.routes,
    ...factorPages.routes,
    ...factorResetRoutes({ interactions, stepOf: factorPages.stepOf, resets: factorResets, views }),
  ]

  return {
    config,
    database,
    clock,
    random,
    log,
    metrics,
    sentences,
    sealer,
    rootSecret,
    keyRing,
    setUps,
    rotation,
    signingKeys,
    redis,
    audit,
    settings,
    artifacts,
    revocation,
    accounts,
    accountImport,
    passwords,
    limits,
    gate,
    links,
    registration,
    recovery,
    accountChanges,
    setEmail,
    mailboxes,
    factors,
    factorResets,
    loginSteps,
    guesses,
    networks,
    notices,
    captcha,
    passkeys: methods.passkeys,
    leaving,
    accountEnd: endAccount,
    sendMail: people.sendMail,
    sessions,
    clients,
    resourceServers,
    seed,
    outbound,
    logout,
    queue,
    endedSweep: createEndedSweep({ enqueue: queue.enqueue, transaction, artifacts, clock }),
    outbox,
    csrf,
    views,
    cookieKeys,
    engine,
    answerStaleBrowsers,
    addressOf,
    engineLimits,
    ipOf,
    logRequest,
    documents,
    readiness,
    sessionGuard,
    routes,
    /** Lets everything go but the database, which whoever opened it closes. */
    close: async (): Promise<void> => {
      engine.close()
      guessing.close()
      settings.close()
      await keyRing.close()
      await setUps.close()
      await outbound.close()
      await redis?.close()
    },
  }
}
