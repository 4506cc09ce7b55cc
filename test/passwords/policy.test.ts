/** What a password may be, before anything is hashed. */
import { checkNewPassword, maximumLength, normalizePassword } from '../../src/passwords/policy.ts'

const failure = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return error as { code: string; status: number; params: unknown }
  }
}

test('twelve code points are enough for a new password, eleven are not (SP 800-63B 3.1.1.2)', () => {
  expect(failure(() => checkNewPassword('a'.repeat(12)))).toBeUndefined()
  expect(failure(() => checkNewPassword('🔑'.repeat(12)))).toBeUndefined()
  expect(failure(() => checkNewPassword('🔑'.repeat(11)))).toMatchObject({
    code: 'password_too_short',
    status: 400,
    params: { minimum: 12 },
  })
  expect(failure(() => checkNewPassword('a'.repeat(14), 15))).toMatchObject({ code: 'password_too_short' })
})

test('length is counted after NFC: eleven letters written with separate accents are eleven', () => {
  expect(failure(() => checkNewPassword('e\u0301'.repeat(11)))).toMatchObject({ code: 'password_too_short' })
  expect(normalizePassword('e\u0301'.repeat(128))).toBe('\u00e9'.repeat(128))
})

test('128 code points are the longest, of whatever kind (ASVS V6.2.9)', () => {
  for (const character of ['a', '🔑', '각', '\u1111\u1171\u11b6']) {
    expect(failure(() => normalizePassword(character.repeat(128)))).toBeUndefined()
    expect(failure(() => normalizePassword(character.repeat(129)))).toMatchObject({
      code: 'password_too_long',
      status: 400,
      params: { maximum: maximumLength },
    })
  }
  expect(failure(() => normalizePassword('a'.repeat(50 * 1024)))).toMatchObject({ code: 'password_too_long' })
})

test('nothing is trimmed, folded or cut (ASVS V6.2.8)', () => {
  expect(normalizePassword('  Pass\tWord ﬁ  ')).toBe('  Pass\tWord ﬁ  ')
})

test.each(['long enough \ud800 password', 'long enough \udc00', 'long enough \0 password'])(
  'lone surrogates and NUL are refused: %j',
  (password) => {
    expect(failure(() => checkNewPassword(password))).toMatchObject({ code: 'password_not_text', status: 400 })
  },
)
