/** Our HMAC-SHA-256 is Node's, and that of RFC 4231. */
import { createHmac, randomBytes } from 'node:crypto'
import { createHmacSha256 } from '../../src/hmac.ts'

test('test case 2 of RFC 4231 §4.3', () => {
  const digest = createHmacSha256(Buffer.from('Jefe'))('what do ya want for nothing?')
  expect(digest.toString('hex')).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
})

test.each([0, 1, 31, 32, 63, 64])('equals createHmac under a key of %i bytes, whatever the text', (bytes) => {
  const key = randomBytes(bytes)
  const hmac = createHmacSha256(key)
  for (const text of ['', 'a', 'ä€😀', '\ud800', '\0', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(100_000)]) {
    expect(hmac(text)).toEqual(createHmac('sha256', key).update(text, 'utf8').digest())
  }
})

test('two digests do not share their bytes', () => {
  const hmac = createHmacSha256(randomBytes(32))
  const first = hmac('one')
  const before = Buffer.from(first)
  hmac('two')
  expect(first).toEqual(before)
})

test('a key that HMAC would have to hash first is refused', () => {
  expect(() => createHmacSha256(randomBytes(65))).toThrow(RangeError)
})
