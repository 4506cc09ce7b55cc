/** Composes account settings, second factors, registration, recovery and login. */
import { administratorRoles } from '../access/permissions.ts'
import { createAccountFeature } from '../account/index.ts'
import { createLoginFeature } from '../login/index.ts'
import { createMfaFeature } from '../mfa/index.ts'
import { createRecoveryFeature } from '../recovery/index.ts'
import { createRegistrationFeature } from '../registration/index.ts'
import type { Defences } from './defences.ts'
import type { Identity } from './identity.ts'
import type { Platform } from './platform.ts'
import type { Tokens } from './tokens.ts'

export type SignIn = ReturnType<typeof createSignIn>

export function createSignIn(platform: Platform, tokens: Tokens, defences: Defences, identity: Identity) {
  const { config, database, audit, settings, endings, clock, random, metrics } = platform
  const { records, resetAccount, handOverAccount } = tokens
  const { passwords, breaches, checkPassword, captcha, loginThrottle, passwordCheckLimit } = defences
  const { accounts, emailLinks, canSendEmail, sendEmail, factorMethods } = identity
  const { knex: db, transaction } = database
  const { issuer } = config
  const { passkeys } = factorMethods
  const { add } = platform.features

  const account = add(
    createAccountFeature({
      db,
      accounts,
      records,
      emailLinks,
      passwords,
      checkPassword,
      loginThrottle,
      passwordCheckLimit,
      settings,
      sendEmail,
      resetAccount,
      issuer,
      transaction,
      audit,
      clock,
    }),
  )
  const mfa = add(
    createMfaFeature({
      db,
      factorMethods,
      accounts,
      records,
      emailLinks,
      administratorRoles,
      refusePendingDeletion: account.accountDeletion.refusePendingDeletion,
      canSendEmail,
      sendEmail,
      resetAccount,
      endings,
      transaction,
      audit,
      clock,
      random,
      metrics,
      issuer,
    }),
  )
  const registration = createRegistrationFeature({
    accounts,
    records,
    emailLinks,
    passwords,
    checkPassword,
    settings,
    canSendEmail,
    sendEmail,
    handOverAccount,
    transaction,
    audit,
    clock,
    random,
  })
  const recovery = createRecoveryFeature({
    accounts,
    records,
    emailLinks,
    passwords,
    checkPassword,
    canSendEmail,
    sendEmail,
    resetAccount,
    revokePasskeyTrust: passkeys.revokeTrust,
    clearFailedLogins: loginThrottle.clear,
    transaction,
    audit,
    clock,
  })
  const login = createLoginFeature({
    accounts,
    passwords,
    breaches,
    loginThrottle,
    passwordCheckLimit,
    captcha,
    passkeys,
    refuseUnproven: registration.registration.refuseUnproven,
    canSendEmail,
    sendEmail,
    transaction,
    audit,
    clock,
    random,
    issuer,
  })
  return { account, mfa, registration, recovery, login }
}
