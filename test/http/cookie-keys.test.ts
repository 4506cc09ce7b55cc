/** Signed cookies: accepted under each key, signed with the first, refused if any byte differs. */
import { randomBytes } from 'node:crypto'
import { createCookieKeys } from '../../src/http/cookie-keys.ts'

const [newer, older] = [randomBytes(32), randomBytes(32)]
const cookie = 'latchkey.session=abc'

test('a signature of the new or the old key is verified, and the index names the key', () => {
  const keys = createCookieKeys([newer, older])
  expect(keys.index(cookie, keys.sign(cookie))).toBe(0)
  expect(keys.index(cookie, createCookieKeys([older]).sign(cookie))).toBe(1)
  expect(keys.verify(cookie, keys.sign(cookie))).toBe(true)
})

test.each([
  ['another value', 'latchkey.session=abd', undefined],
  ['another name', 'latchkey.session.=abc', undefined],
  ['a key that is not ours', cookie, createCookieKeys([randomBytes(32)]).sign(cookie)],
  ['a signature cut short', cookie, createCookieKeys([newer]).sign(cookie).slice(0, -4)],
  ['no signature', cookie, ''],
])('%s is refused', (_what, data, signature) => {
  const keys = createCookieKeys([newer, older])
  expect(keys.index(data, signature ?? keys.sign(cookie))).toBe(-1)
  expect(keys.verify(data, signature ?? keys.sign(cookie))).toBe(false)
})
