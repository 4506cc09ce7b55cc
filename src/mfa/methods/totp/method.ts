/** Authenticator apps: one-time passwords from a shared secret and the time (RFC 6238). */
import { Secret, TOTP } from 'otpauth'
import { encode } from 'uqr'
import { atMinute } from '../../../clock.ts'
import type { Tx } from '../../../database/database.ts'
import { factorInvalid } from '../../errors.ts'
import type { FactorDeps, FactorPart } from '../../method.ts'
import { readCode } from '../../typed-code.ts'
import * as repository from './repository.ts'

/** Every app supports these: SHA-1, six digits, thirty seconds (RFC 6238 §1.2, §4.1). */
const form = { algorithm: 'SHA1', digits: 6, period: 30 } as const
// RFC 4226 §4 R6 recommends 160 bits.
const secretBytes = 20
/** Allowed drift of the app's clock in steps, in both directions (RFC 6238 §5.2). */
const drift = 1
const offerLifetimeMs = 15 * 60_000

/** The secret to scan or type into an app, before a first code confirms it. */
type TotpOffer = Readonly<{
  /** The secret and its expiry, sealed for one account and binding until a code confirms it. */
  sealed: string
  /** Base 32 in groups of four, for typing. */
  secret: string
  uri: string
  /** A QR code of the URI: the path of its dark squares, in a square of `size`. */
  qr: Readonly<{ size: number; path: string }>
}>

export function createTotp({ db, sealer, serviceName, clock, random }: FactorDeps) {
  const sealLocation = (accountId: string) => `totp:${accountId}`
  // The binding makes the offer valid only in the session or interaction that made it.
  const offerPlace = (accountId: string, binding: string) => `totp offer ${accountId} ${binding}`

  /** The time step of a right code: the current one or a neighbour. Undefined for a wrong code. */
  function stepOf(secret: Buffer, code: string): number | undefined {
    const token = readCode(code)
    if (!/^\d{6}$/.test(token)) return undefined
    const timestamp = clock.now()
    const delta = new TOTP({ ...form, secret: secretOf(secret) }).validate({ token, timestamp, window: drift })
    return delta === null ? undefined : Math.floor(timestamp / (form.period * 1000)) + delta
  }

  function openOffer(accountId: string, binding: string, sealed: string): Buffer | undefined {
    let plain: Buffer
    try {
      plain = sealer.open(Buffer.from(sealed, 'base64url'), offerPlace(accountId, binding))
    } catch (error) {
      // The form field has other bytes than were sent, or comes from another session.
      if (!foreignSeal.includes((error as { code?: unknown }).code)) throw error
      return undefined
    }
    const { secret, until } = JSON.parse(plain.toString()) as { secret: string; until: number }
    return until > clock.now() ? Buffer.from(secret, 'base64url') : undefined
  }

  function describe(accountId: string, email: string, binding: string, secret: Buffer, until: number): TotpOffer {
    const plain = Buffer.from(JSON.stringify({ secret: secret.toString('base64url'), until }))
    const totp = new TOTP({ ...form, issuer: serviceName(), label: email, secret: secretOf(secret) })
    return {
      sealed: sealer.seal(plain, offerPlace(accountId, binding)).toString('base64url'),
      secret: totp.secret.base32.match(/.{1,4}/g)!.join(' '),
      uri: totp.toString(),
      qr: drawn(totp.toString()),
    }
  }

  return {
    listAddedAt: async (accountId, within = db) => {
      const credential = await repository.findTotp(within, accountId)
      return credential ? [credential.createdAt] : []
    },

    check: async (tx, owner, { code = '' }) => {
      const { accountId } = owner
      const credential = await repository.findTotp(tx, accountId)
      const step = credential && stepOf(sealer.open(credential.sealedSecret, sealLocation(accountId)), code)
      return step !== undefined && repository.advanceTotp(tx, owner, step, clock.now())
    },

    removeAll: (tx: Tx, accountId: string) => repository.deleteTotp(tx, accountId),

    describeOwn: async ({ id }) => {
      const credential = await repository.findTotp(db, id)
      return { since: credential && atMinute(credential.createdAt) }
    },

    /** Returns a new secret. After a wrong code it returns the same secret, unless that expired. */
    offer: async ({ id, email }, binding, refusedForm) => {
      const secret = refusedForm?.offer === undefined ? undefined : openOffer(id, binding, refusedForm.offer)
      return describe(id, email, binding, secret ?? random.bytes(secretBytes), clock.now() + offerLifetimeMs)
    },

    /** Replaces the earlier secret and spends its first code. Throws `factor_invalid`. */
    confirm: async (accountId, binding, { offer = '', code = '' }) => {
      const secret = openOffer(accountId, binding, offer)
      const step = secret && stepOf(secret, code)
      if (!secret || step === undefined) throw factorInvalid([{ path: 'code', code: 'code_wrong' }])
      return (tx: Tx) =>
        repository.putTotp(tx, {
          accountId,
          step,
          at: clock.now(),
          sealedSecret: sealer.seal(secret, sealLocation(accountId)),
        })
    },
  } satisfies FactorPart<'code', 'offer' | 'code'>
}

/** The codes of the errors that a sealer throws for bytes that it did not seal there. */
const foreignSeal: readonly unknown[] = ['seal_damaged', 'wrong_master_key']

const secretOf = (bytes: Buffer): Secret => new Secret({ buffer: Uint8Array.from(bytes).buffer as ArrayBuffer })

function drawn(text: string): TotpOffer['qr'] {
  const { data, size } = encode(text, { border: 4 })
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])))
  return { size, path: dark.join('') }
}
