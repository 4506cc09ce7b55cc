/**
 * Passkeys (Web Authentication Level 3), as the second factor or the only one. User verification is
 * always required.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import { atMinute } from '../../../clock.ts'
import type { Queryable, Tx } from '../../../database/database.ts'
import { passkeyRefused } from '../../errors.ts'
import type { FactorDeps, FactorOwner, FactorPart, FactorPerson } from '../../method.ts'
import { credentialIdOf, readAnswer, refuseFramed, transportsOf } from './answer.ts'
import { createChallenges } from './challenges.ts'
import { coseAlgorithms, coseKeyProblem } from './cose.ts'
import * as repository from './repository.ts'

const timeoutMs = 5 * 60_000
const sweepBatchSize = 1000

/** Loaded when a passkey is made or used, because the package takes megabytes. */
const loadLibrary = () => import('@simplewebauthn/server')

/** `generation` is the account's, read together with the credential. */
type ProvenPasskey = Readonly<{ accountId: string; generation: number; needsPassword: boolean }>

type VerifiedAnswer = { credential: repository.FoundPasskey; counter: number; challenge: string }

export function createPasskeys({ db, issuer, serviceName, deriveKey, clock, random }: FactorDeps) {
  const { origin, hostname } = new URL(issuer)
  const key = deriveKey('passkeys')
  const challenges = createChallenges({ key, clock, random })
  const secret = createSecretKey(key)
  /** The user handle of an account (§5.4.3): reveals nothing, and all its passkeys share it. */
  const handleOf = (accountId: string) => createHmac('sha256', secret).update(`user handle\0${accountId}`).digest()

  /** §7.2 step 6: without a handle, the account must be known from elsewhere. */
  const isOfPerson = (response: AuthenticationResponseJSON, accountId: string, isKnown: boolean): boolean => {
    const { userHandle }: { userHandle?: unknown } = response.response ?? {}
    if (userHandle === undefined) return isKnown
    if (typeof userHandle !== 'string') return false
    const given = Buffer.from(userHandle, 'base64url')
    const own = handleOf(accountId)
    return given.length === own.length && timingSafeEqual(given, own)
  }

  /** Signature, origin, RP id, user verification and challenge. Throws `passkey_refused`. */
  async function verify(
    within: Queryable,
    text: string | undefined,
    binding: string,
    accountId?: string,
  ): Promise<VerifiedAnswer> {
    const response = readAnswer<AuthenticationResponseJSON>(text)
    const credential = await repository.findByCredential(within, Buffer.from(response.id, 'base64url'))
    if (!credential || (accountId !== undefined && credential.accountId !== accountId)) throw passkeyRefused()
    if (!isOfPerson(response, credential.accountId, accountId !== undefined)) throw passkeyRefused()
    // Checked at each use as well, because a key may have been stored before this check existed.
    if (await coseKeyProblem(credential.publicKey)) throw passkeyRefused()
    let challenge = ''
    try {
      await refuseFramed(response.response.clientDataJSON)
      const { verifyAuthenticationResponse } = await loadLibrary()
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response,
        expectedChallenge: (given) => {
          challenge = given
          return challenges.isLiving(given, binding)
        },
        expectedOrigin: origin,
        expectedRPID: hostname,
        requireUserVerification: true,
        credential: {
          id: credential.credentialId.toString('base64url'),
          publicKey: Uint8Array.from(credential.publicKey),
          counter: credential.counter,
        },
      })
      if (verified) return { credential, counter: authenticationInfo.newCounter, challenge }
    } catch (cause) {
      throw passkeyRefused({ cause })
    }
    throw passkeyRefused()
  }

  /**
   * Verifies the answer, spends the challenge and advances the counter. With `owner` the passkey is
   * used beside the password, in the sign-in's generation. Throws `passkey_refused`.
   */
  async function prove(
    within: Queryable,
    text: string | undefined,
    binding: string,
    owner?: FactorOwner,
  ): Promise<ProvenPasskey> {
    const { credential, counter, challenge } = await verify(within, text, binding, owner?.accountId)
    if (!(await challenges.spend(within, challenge, binding))) throw passkeyRefused()
    const { id, accountId, needsPassword } = credential
    const generation = owner?.generation ?? credential.generation
    if (!owner && needsPassword) return { accountId, generation, needsPassword: true }
    const use = { id, accountId, generation, counter, at: clock.now(), isBesidePassword: owner !== undefined }
    if (!(await repository.noteUse(within, use))) throw passkeyRefused()
    return { accountId, generation, needsPassword: false }
  }

  /** The options to create a passkey. Nothing is stored. `binding`: the interaction or session. */
  async function creationOptions(
    { id, email, name }: FactorPerson,
    binding: string,
  ): Promise<PublicKeyCredentialCreationOptionsJSON> {
    const { generateRegistrationOptions } = await loadLibrary()
    return generateRegistrationOptions({
      rpName: serviceName(),
      rpID: hostname,
      userName: email,
      userDisplayName: name ?? email,
      userID: Uint8Array.from(handleOf(id)),
      challenge: Uint8Array.from(challenges.make(binding)),
      timeout: timeoutMs,
      attestationType: 'none',
      supportedAlgorithmIDs: coseAlgorithms,
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      excludeCredentials: (await repository.listPasskeys(db, id)).map(({ credentialId, transports }) => ({
        id: credentialId.toString('base64url'),
        transports: [...transports],
      })),
    })
  }

  /** The options to use a passkey of the account, or any passkey when there is no `accountId`. */
  async function requestOptions(binding: string, accountId?: string): Promise<PublicKeyCredentialRequestOptionsJSON> {
    return {
      rpId: hostname,
      challenge: challenges.make(binding).toString('base64url'),
      timeout: timeoutMs,
      userVerification: 'required',
      ...(accountId !== undefined && {
        allowCredentials: (await repository.listPasskeys(db, accountId)).map(({ credentialId, transports }) => ({
          id: credentialId.toString('base64url'),
          type: 'public-key' as const,
          transports: [...transports],
        })),
      }),
    }
  }

  return {
    listAddedAt: async (accountId, within = db) =>
      (await repository.listPasskeys(within, accountId)).map(({ createdAt }) => createdAt),
    check: async (tx, owner, { response }, interactionUid) => {
      try {
        await prove(tx, response, interactionUid, owner)
        return true
      } catch (error) {
        if ((error as { code?: unknown }).code === 'passkey_refused') return false
        throw error
      }
    },
    removeAll: (tx: Tx, accountId: string) => repository.deletePasskeys(tx, accountId),
    removeOne: (tx: Tx, accountId: string, id: string) => repository.deletePasskey(tx, accountId, id),

    list: (accountId: string, within: Queryable = db) => repository.listPasskeys(within, accountId),

    describeProof: async (accountId, interactionUid) => ({
      options: JSON.stringify(await requestOptions(interactionUid, accountId)),
    }),

    describeOwn: async (person, binding) => ({
      passkeys: (await repository.listPasskeys(db, person.id)).map(
        ({ id, name, createdAt, lastUsedAt, needsPassword }) => ({
          id,
          name,
          since: atMinute(createdAt),
          lastUsed: lastUsedAt === undefined ? undefined : atMinute(lastUsedAt),
          needsPassword,
        }),
      ),
      options: JSON.stringify(await creationOptions(person, binding)),
    }),

    offer: async (person, binding) => ({ options: JSON.stringify(await creationOptions(person, binding)) }),

    /** Throws `passkey_refused`, also for a credential that an account already has. */
    confirm: async (accountId, binding, { response: text, name = '' }) => {
      const response = readAnswer<RegistrationResponseJSON>(text)
      let challenge = ''
      const { verifyRegistrationResponse } = await loadLibrary()
      const { registrationInfo } = await verifyRegistrationResponse({
        response,
        expectedChallenge: (given) => {
          challenge = given
          return challenges.isLiving(given, binding)
        },
        expectedOrigin: origin,
        expectedRPID: hostname,
        requireUserVerification: true,
        supportedAlgorithmIDs: coseAlgorithms,
      }).catch((cause: unknown) => {
        throw passkeyRefused({ cause })
      })
      if (!registrationInfo) throw passkeyRefused()
      const { credential: made } = registrationInfo
      const { clientDataJSON } = response.response
      await refuseFramed(clientDataJSON)
      const credentialId = credentialIdOf(made.id)
      if (await coseKeyProblem(made.publicKey)) throw passkeyRefused()
      if (!(await challenges.spend(db, challenge, binding))) throw passkeyRefused()
      const passkey = {
        id: random.id(),
        accountId,
        name: nameOf(name),
        transports: transportsOf(made.transports),
        counter: made.counter,
        createdAt: clock.now(),
        credentialId,
        publicKey: Buffer.from(made.publicKey),
      }
      return async (tx: Tx) => {
        if (!(await repository.insertPasskey(tx, passkey))) throw passkeyRefused()
      }
    },

    creationOptions,
    requestOptions,

    /**
     * A passkey as the first proof of a sign-in. With `needsPassword` it proves nothing.
     * Throws `passkey_refused`.
     */
    signIn: (text: string, binding: string): Promise<ProvenPasskey> => prove(db, text, binding),

    /** After a password reset, passkeys cannot sign in alone until used with the new password. */
    revokeTrust: repository.revokePasskeyTrust,

    /** The same error, for callers that refuse the account of the passkey. */
    refuse: (): never => {
      throw passkeyRefused()
    },

    /** Deletes expired spent challenges. Returns their number. */
    sweep: (): Promise<number> => repository.sweepChallenges(db, clock.now(), sweepBatchSize),
  } satisfies FactorPart<'response', 'response' | 'name'> & Record<string, unknown>
}

/** Removes control characters and limits the length. */
const nameOf = (typed: string): string => {
  const plain = typed
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')
    .trim()
  return [...(plain === '' ? 'Passkey' : plain)].slice(0, 100).join('')
}
