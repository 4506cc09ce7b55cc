/** Sealing: a value opens only with the same master key, at the same place, and unaltered. */
import { randomBytes } from 'node:crypto'
import { SealDamaged, WrongMasterKey } from '../../keys/errors.ts'
import { createSealer } from '../../keys/sealer.ts'

const masterKey = randomBytes(32)
const sealer = createSealer(masterKey)
const plain = Buffer.from('what nobody may read')

test('a sealed value is opened by another sealer with the same master key', () => {
  expect(createSealer(Buffer.from(masterKey)).open(sealer.seal(plain, 'a:1'), 'a:1')).toEqual(plain)
  expect(sealer.open(sealer.seal(Buffer.alloc(0), 'a:1'), 'a:1')).toEqual(Buffer.alloc(0))
})

test('each sealed value is different and does not contain the plain text', () => {
  const seals = Array.from({ length: 200 }, () => sealer.seal(plain, 'a:1'))
  expect(new Set(seals.map((sealed) => sealed.toString('hex'))).size).toBe(200)
  // 1 byte version, 8 bytes id of the master key, then 12 bytes IV.
  expect(new Set(seals.map((sealed) => sealed.subarray(9, 21).toString('hex'))).size).toBe(200)
  for (const sealed of seals) expect(sealed.includes(plain)).toBe(false)
})

test('a sealed value is not opened at another location', () => {
  expect(() => sealer.open(sealer.seal(plain, 'a:1'), 'a:2')).toThrow(SealDamaged)
})

test('another master key is distinguished from damage', () => {
  const sealed = createSealer(randomBytes(32)).seal(plain, 'a:1')
  expect(() => sealer.open(sealed, 'a:1')).toThrow(WrongMasterKey)
})

test('every changed bit is detected', () => {
  const sealed = sealer.seal(plain, 'a:1')
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const altered = Buffer.from(sealed)
    altered[bit >> 3]! ^= 1 << (bit & 7)
    expect(() => sealer.open(altered, 'a:1')).toThrow(/seal_damaged|wrong_master_key/)
  }
})

test('a value that is cut short or empty is damaged', () => {
  const sealed = sealer.seal(plain, 'a:1')
  for (let length = 0; length < sealed.length; length += 1) {
    expect(() => sealer.open(sealed.subarray(0, length), 'a:1')).toThrow(SealDamaged)
  }
})

test('a master key of another length than 32 bytes is refused', () => {
  for (const length of [0, 16, 31, 33]) expect(() => createSealer(randomBytes(length))).toThrow(RangeError)
})
