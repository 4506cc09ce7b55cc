/** Seals what must be read again and must not be readable in a dump: AES-256-GCM under a key derived from the master key. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { SealDamaged, WrongMasterKey } from './errors.ts'

export type Sealer = ReturnType<typeof createSealer>

// version (1) | id of the master key (8) | IV (12) | ciphertext | tag (16)
const version = 1
const keyIdLength = 8
const ivLength = 12
const headerLength = 1 + keyIdLength
const tagLength = 16

/** `masterKey` is 32 bytes; a key of another length throws. */
export function createSealer(masterKey: Buffer) {
  if (masterKey.length !== 32) throw new RangeError('a master key has 32 bytes')
  const key = derive(masterKey, 'latchkey seal v1', 32)
  // Says under which master key something is sealed, so that a wrong one is told from damage, and a reseal can go on half-way.
  const keyId = derive(masterKey, 'latchkey master key id v1', keyIdLength)
  const header = Buffer.concat([Buffer.of(version), keyId])

  /** `aad` names the place where the result is kept, as `table:id`; it opens nowhere else. */
  function seal(plain: Buffer, aad: string): Buffer {
    // SP 800-38D §8.2.2: a random IV per seal, from the system's generator even in tests: one repeated IV gives away the key stream.
    const iv = randomBytes(ivLength)
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagLength })
    cipher.setAAD(Buffer.concat([header, Buffer.from(aad)]))
    return Buffer.concat([header, iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }

  /** Throws WrongMasterKey when another master key sealed it, SealDamaged when it was altered or belongs to another place. */
  function open(sealed: Buffer, aad: string): Buffer {
    if (sealed.length < headerLength + ivLength + tagLength || sealed[0] !== version) throw new SealDamaged(aad)
    if (!sealed.subarray(1, headerLength).equals(keyId)) throw new WrongMasterKey()
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

  return { seal, open }
}

const derive = (masterKey: Buffer, purpose: string, length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', masterKey, '', purpose, length))
