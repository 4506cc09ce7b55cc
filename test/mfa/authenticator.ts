/**
 * A software authenticator with its own code: an ES256 key, the data it signs, and some CBOR
 * (WebAuthn §6.1, §6.5; RFC 8949).
 */
import type { KeyObject } from 'node:crypto'
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { JWK } from 'jose'

export type Cbor = number | string | Buffer | ReadonlyMap<number | string, Cbor>

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.of((major << 5) | value)
  if (value < 256) return Buffer.of((major << 5) | 24, value)
  return Buffer.of((major << 5) | 25, value >> 8, value & 255)
}

export function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value])
  return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, item]) => [cbor(key), cbor(item)])])
}

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest()

export type Wrong = {
  origin?: string
  rpId?: string
  challenge?: string
  isVerified?: boolean
  counter?: number
  /** Any JSON value; `undefined` for none at all. */
  userHandle?: unknown
  type?: string
  signedWith?: KeyObject
  /** Additional client data. */
  clientData?: Readonly<Record<string, unknown>>
  transports?: unknown
  signature?: (data: Buffer) => Buffer
}

/** Differences from a valid authenticator. */
type Build = { key?: ReadonlyMap<number, Cbor>; id?: Buffer }

const bytesOf = (text: string | undefined) => Buffer.from(text ?? '', 'base64url')

const coseCurves: Readonly<Record<string, number>> = { 'P-256': 1, 'P-384': 2, 'P-521': 3, Ed25519: 6 }

/** The COSE key (RFC 9052 §7, RFC 9053 §7) of a public JWK, for the algorithm `alg`. */
export function coseOf({ kty, crv = '', x, y, n, e }: JWK, alg: number): Map<number, Cbor> {
  if (kty === 'RSA') {
    return new Map<number, Cbor>([
      [1, 3],
      [3, alg],
      [-1, bytesOf(n)],
      [-2, bytesOf(e)],
    ])
  }
  const key = new Map<number, Cbor>([
    [1, kty === 'OKP' ? 1 : 2],
    [3, alg],
    [-1, coseCurves[crv] ?? 0],
    [-2, bytesOf(x)],
  ])
  return y === undefined ? key : key.set(-3, bytesOf(y))
}

const userPresent = 0x01
const userVerified = 0x04
const attestedData = 0x40

export function createAuthenticator({ origin, rpId }: { origin: string; rpId: string }, build: Build = {}) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = build.key ?? coseOf(publicKey.export({ format: 'jwk' }) as JWK, -7)
  const id = build.id ?? randomBytes(32)
  let counter = 0
  let userHandle: string | undefined

  const clientData = (type: string, challenge: string, wrong: Wrong) =>
    Buffer.from(
      JSON.stringify({
        type: wrong.type ?? type,
        challenge: wrong.challenge ?? challenge,
        origin: wrong.origin ?? origin,
        crossOrigin: false,
        ...wrong.clientData,
      }),
    )

  function authenticatorData(flags: number, wrong: Wrong, attested = Buffer.alloc(0)): Buffer {
    counter += 1
    const count = Buffer.alloc(4)
    count.writeUInt32BE(wrong.counter ?? counter)
    const verified = wrong.isVerified === false ? 0 : userVerified
    return Buffer.concat([sha256(wrong.rpId ?? rpId), Buffer.of(flags | userPresent | verified), count, attested])
  }

  const common = () => ({
    id: id.toString('base64url'),
    rawId: id.toString('base64url'),
    type: 'public-key',
    clientExtensionResults: {},
  })

  return {
    id,

    /** The response to creation options, as a browser gives it. */
    create(options: { challenge: string; user: { id: string } }, wrong: Wrong = {}): string {
      userHandle = options.user.id
      const length = Buffer.of(id.length >> 8, id.length & 255)
      const authData = authenticatorData(attestedData, wrong, Buffer.concat([Buffer.alloc(16), length, id, cbor(key)]))
      const attestationObject = cbor(
        new Map<string, Cbor>([
          ['fmt', 'none'],
          ['attStmt', new Map()],
          ['authData', authData],
        ]),
      )
      return JSON.stringify({
        ...common(),
        response: {
          clientDataJSON: clientData('webauthn.create', options.challenge, wrong).toString('base64url'),
          attestationObject: attestationObject.toString('base64url'),
          transports: 'transports' in wrong ? wrong.transports : ['internal'],
        },
      })
    },

    /** The response to request options. */
    use(options: { challenge: string }, wrong: Wrong = {}): string {
      const client = clientData('webauthn.get', options.challenge, wrong)
      const authData = authenticatorData(0, wrong)
      const signed = Buffer.concat([authData, sha256(client)])
      const signature = wrong.signature?.(signed) ?? sign('sha256', signed, wrong.signedWith ?? privateKey)
      return JSON.stringify({
        ...common(),
        response: {
          clientDataJSON: client.toString('base64url'),
          authenticatorData: authData.toString('base64url'),
          signature: signature.toString('base64url'),
          userHandle: 'userHandle' in wrong ? wrong.userHandle : userHandle,
        },
      })
    },
  }
}
