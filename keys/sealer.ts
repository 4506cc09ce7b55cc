/**
 * Encrypts values that must be readable again but not in a database dump: AES-256-GCM, with a key
 * derived from the master key.
 */
import type { KeyObject } from 'node:crypto'
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import { SealDamaged, WrongMasterKey } from './errors.ts'

export type Sealer = ReturnType<typeof createSealer>

// version (1) | id of the master key (8) | IV (12) | ciphertext | tag (16)
const version = 1
const keyIdLength = 8
const ivLength = 12
const headerLength = 1 + keyIdLength
const tagLength = 16

type MasterKey = { key: KeyObject; header: Buffer }

/**
 * `masterKey` has 32 bytes; another length throws. `previousKey` is set while the master key
 * changes: it opens what it sealed, and seals new values until `follow` sees a value sealed with
 * the new key.
 */
export function createSealer(masterKey: Buffer, previousKey?: Buffer) {
  const own = prepare(masterKey)
  const known = previousKey ? [own, prepare(previousKey)] : [own]
  let current = own

  const keyOf = (sealed: Buffer): MasterKey | undefined =>
    known.find(({ header }) => sealed.subarray(0, headerLength).equals(header))

  /**
   * `aad` names where the result is stored, as `table:id`. The seal cannot be opened for another
   * place.
   */
  const seal = (plain: Buffer, aad: string): Buffer => sealUnder(current, plain, aad)

  /**
   * Throws WrongMasterKey for an unknown master key, and SealDamaged when the value was altered or
   * belongs to another place.
   */
  function open(sealed: Buffer, aad: string): Buffer {
    if (sealed.length < headerLength + ivLength + tagLength || sealed[0] !== version) throw new SealDamaged(aad)
    const masterKeyOf = keyOf(sealed)
    if (!masterKeyOf) throw new WrongMasterKey()
    return openUnder(masterKeyOf, sealed, aad)
  }

  return {
    seal,
    open,

    /**
     * Uses the master key that sealed `marker` from now on, so that all processes can open new
     * seals. Ignores an unknown key.
     */
    follow(marker: Buffer): void {
      current = keyOf(marker) ?? current
    },

    /**
     * Seals the value again with `masterKey`. Undefined when that key has sealed it already. Throws
     * as `open` does.
     */
    reseal(sealed: Buffer, aad: string): Buffer | undefined {
      const plain = open(sealed, aad)
      return keyOf(sealed) === own ? undefined : sealUnder(own, plain, aad)
    },
  }
}

// SP 800-38D §8.2.2: a random IV per seal, from the system's generator even in tests. A repeated IV
// reveals the key stream.
function sealUnder({ key, header }: MasterKey, plain: Buffer, aad: string): Buffer {
  const iv = randomBytes(ivLength)
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagLength })
  cipher.setAAD(Buffer.concat([header, Buffer.from(aad)]))
  return Buffer.concat([header, iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function openUnder({ key, header }: MasterKey, sealed: Buffer, aad: string): Buffer {
  const iv = sealed.subarray(headerLength, headerLength + ivLength)
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagLength })
  decipher.setAAD(Buffer.concat([header, Buffer.from(aad)]))
  decipher.setAuthTag(sealed.subarray(-tagLength))
  const plain = decipher.update(sealed.subarray(headerLength + ivLength, -tagLength))
  try {
    return Buffer.concat([plain, decipher.final()])
  } catch (error) {
    throw new SealDamaged(aad, error)
  }
}

/** The public id of a master key, in hex. Every value that the key sealed begins with it. */
export const masterKeyId = (masterKey: Buffer): string => prepare(masterKey).header.subarray(1).toString('hex')

function prepare(masterKey: Buffer): MasterKey {
  if (masterKey.length !== 32) throw new RangeError('a master key has 32 bytes')
  const derive = (purpose: string, length: number) => Buffer.from(hkdfSync('sha256', masterKey, '', purpose, length))
  // The id distinguishes a wrong master key from a damaged value, and lets an interrupted reseal
  // continue.
  const id = derive('latchkey master key id v1', keyIdLength)
  return {
    key: createSecretKey(derive('latchkey seal v1', 32)),
    header: Buffer.concat([Buffer.of(version), id]),
  }
}
