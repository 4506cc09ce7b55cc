/** Seals what must be read again and must not be readable in a dump: AES-256-GCM under a key derived from the master key. */
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
 * `masterKey` is 32 bytes; a key of another length throws. `previousKey`, while the master key is being changed: what it sealed opens
 * too, and it goes on sealing until `follow` is shown something that the new one has sealed.
 */
export function createSealer(masterKey: Buffer, previousKey?: Buffer) {
  const own = prepare(masterKey)
  const known = previousKey ? [own, prepare(previousKey)] : [own]
  let current = own

  const keyOf = (sealed: Buffer): MasterKey | undefined =>
    known.find(({ header }) => sealed.subarray(0, headerLength).equals(header))

  /** `aad` names the place where the result is kept, as `table:id`; it opens nowhere else. */
  const seal = (plain: Buffer, aad: string): Buffer => sealUnder(current, plain, aad)

  /** Throws WrongMasterKey when an unknown master key sealed it, SealDamaged when it was altered or belongs to another place. */
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
     * Seals from now on under the master key that sealed `marker`, so that all processes seal under one that all can open. A key that
     * is not at hand changes nothing.
     */
    follow(marker: Buffer): void {
      current = keyOf(marker) ?? current
    },

    /** `sealed` under the master key itself, or undefined when it is so already. Throws as `open` does. */
    reseal(sealed: Buffer, aad: string): Buffer | undefined {
      const plain = open(sealed, aad)
      return keyOf(sealed) === own ? undefined : sealUnder(own, plain, aad)
    },
  }
}

// SP 800-38D §8.2.2: a random IV per seal, from the system's generator even in tests: one repeated IV gives away the key stream.
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

/** The public name of a master key, in hex: it stands in front of everything that the key has sealed. */
export const masterKeyId = (masterKey: Buffer): string => prepare(masterKey).header.subarray(1).toString('hex')

function prepare(masterKey: Buffer): MasterKey {
  if (masterKey.length !== 32) throw new RangeError('a master key has 32 bytes')
  const derive = (purpose: string, length: number) => Buffer.from(hkdfSync('sha256', masterKey, '', purpose, length))
  // The id says under which master key something is sealed, so that a wrong one is told from damage, and a reseal can go on half-way.
  const id = derive('latchkey master key id v1', keyIdLength)
  return {
    key: createSecretKey(derive('latchkey seal v1', 32)),
    header: Buffer.concat([Buffer.of(version), id]),
  }
}
