/** Valid passwords, before anything is hashed: the text, and the policy for a new password. */
import { createLog } from '../../src/log.ts'
import { maximumLength, normalizePassword } from '../../src/passwords/composition-rules.ts'
import type { Person } from '../../src/passwords/service.ts'
import { createPasswordPolicy } from '../../src/passwords/service.ts'
import { createStrengthEstimator } from '../../src/passwords/strength.ts'
import type { RuntimeSettings } from '../../src/settings/definitions.ts'
import { defaultSettings } from '../../src/settings/definitions.ts'

const failure = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return error as { code: string; status: number; params: unknown }
  }
}

const ada: Person = { email: 'ada.king@example.com', name: 'Augusta Ada King-Noel' }

const strength = createStrengthEstimator({ log: createLog({ level: 'silent' }) })
afterAll(() => strength.close())

function policy(
  settings: Partial<RuntimeSettings> = {},
  refusedSecrets: readonly string[] = [],
  counting: Pick<typeof strength, 'judge'> = strength,
) {
  const { check, shownRules } = createPasswordPolicy({
    settings: { get: () => ({ ...defaultSettings, ...settings }) },
    breaches: undefined,
    strength: counting,
    refusedSecrets,
  })
  const codes = async (password: string, person: Person = ada) =>
    (await check(password, person)).map(({ path, code }) => {
      expect(path).toBe('password')
      return code
    })
  return { check, codes, rules: () => shownRules().map(({ rule }) => rule) }
}

describe('the text of a password', () => {
  test('a password has at most 128 code points, of any script (ASVS V6.2.9)', () => {
    for (const character of ['a', '🔑', '각', '\u1111\u1171\u11b6']) {
      expect(failure(() => normalizePassword(character.repeat(128)))).toBeUndefined()
      expect(failure(() => normalizePassword(character.repeat(129)))).toMatchObject({
        code: 'password_too_long',
        status: 400,
        params: { maximum: maximumLength },
      })
    }
    expect(failure(() => normalizePassword('a'.repeat(50 * 1024)))).toMatchObject({ code: 'password_too_long' })
    expect(failure(() => normalizePassword('a'.repeat(1024 * 1024)))).toMatchObject({ code: 'password_too_long' })
  })

  test('a password is not trimmed, folded or cut (ASVS V6.2.8)', () => {
    expect(normalizePassword('  Pass\tWord ﬁ  ')).toBe('  Pass\tWord ﬁ  ')
    expect(normalizePassword('e\u0301'.repeat(128))).toBe('\u00e9'.repeat(128))
  })

  test.each(['long enough \ud800 password', 'long enough \udc00', 'long enough \0 password'])(
    'lone surrogates and NUL are refused: %j',
    async (password) => {
      expect(failure(() => normalizePassword(password))).toMatchObject({ code: 'password_not_text', status: 400 })
      expect(await policy().codes(password)).toEqual(['password_not_text'])
    },
  )
})

describe('a password that is being chosen', () => {
  test('has twelve code points or more, counted after NFC (SP 800-63B 3.1.1.2)', async () => {
    const { check, codes } = policy()
    expect(await codes('zwölf Zeiche')).toEqual([])
    expect(await codes('🔑🌊🏮🚲🍋🪁🐢🎻🧭🪵🥝🛶')).toEqual([])
    expect(await check('🔑'.repeat(11), ada)).toEqual([
      { path: 'password', code: 'password_too_short', params: { minimum: 12 } },
    ])
    expect(await codes('e\u0301'.repeat(11))).toEqual(['password_too_short'])
    expect(await codes('lanterns over')).toEqual([])
    expect(await policy({ passwordMinimumLength: 15 }).codes('lanterns over')).toEqual(['password_too_short'])
    expect(await codes('a'.repeat(129))).toEqual(['password_too_long'])
  })

  test.each([
    '\u061c',
    '\u200e',
    '\u200f',
    '\u202a',
    '\u202b',
    '\u202c',
    '\u202d',
    '\u202e',
    '\u2066',
    '\u2067',
    '\u2068',
    '\u2069',
  ])('has no mark that turns the direction of text: %j', async (mark) => {
    expect(await policy().codes(`lanterns ${mark}over the river`)).toEqual(['password_direction_marks'])
    // Letters of right-to-left scripts are letters.
    expect(await policy().codes('שלום וברכה לכולם')).toEqual([])
    expect(failure(() => normalizePassword(`lanterns ${mark}over the river`))).toBeUndefined()
  })

  test.each(['qwerty123456', 'QWERTY123456', 'Administrator', 'uNBELIEVABLE', '１qaz２wsx３edc'])(
    'is not in the list of common passwords, in any letter case: %s (ASVS V6.2.4)',
    async (password) => {
      expect(await policy().codes(password)).toEqual(['password_common'])
      // Where guesses cannot be counted, the list still applies.
      const judge = async () => 'unjudged' as const
      expect(await policy({}, [], { judge }).codes(password)).toEqual(['password_common'])
      expect(await policy({}, [], { judge }).codes('lanterns over the river')).toEqual([])
    },
  )

  test.each([
    ' '.repeat(12),
    '\u3000'.repeat(12),
    '\u2800'.repeat(12),
    '\u200b\u00ad \t\u3164\u115f\u180e\ufe0f\u034f\u2060\ufeff\u200d',
  ])('contains a visible character: %j', async (password) => {
    expect(await policy().codes(password)).toEqual(['password_blank'])
    expect(await policy().codes(`${password}lanterns over the river`)).toEqual([])
  })

  test.each(['P@ssw0rd1234', 'qwertyqwerty', 'abcdefghijkl', 'password12345', 'aaaaaaaaaaaa'])(
    'needs at least 10^8 guesses: %s',
    async (password) => {
      expect(await policy().codes(password)).toEqual(['password_common'])
    },
  )

  test.each([
    'Summer2026!!',
    'Winter2025!!!',
    'SUMMER-2026-!',
    '2026-Sommer-!',
    '21 June 2026',
    'Ноябрь2026!!',
    'été 2026 !!!',
    'October26!!!!!!',
    '2026#January#',
    'Ыгььук2026!!',
  ])('is not a season or a month with a year: %s', async (password) => {
    const judge = async () => 'unjudged' as const
    expect(await policy({}, [], { judge }).codes(password)).toEqual(['password_common'])
  })

  test.each(['Summer of 2026 in Riga', 'lantern 2026!!', 'Summer83749261', 'Summer2026#@x!%', 'juniper 2026 wool'])(
    'may have a season, a month or a year among other things: %s',
    async (password) => {
      expect(await policy().codes(password)).toEqual([])
    },
  )

  test.each([`qwerty123456${' '.repeat(60)}`, `\u3000\u200B${' '.repeat(60)}Administrator`, 'йцукен123456'])(
    'is compared with the list without blanks, and as typed on a Latin keyboard: %j',
    async (password) => {
      const judge = async () => 'unjudged' as const
      expect(await policy({}, [], { judge }).codes(password)).toEqual(['password_common'])
    },
  )

  test('is compared with the common list although another minimum is set', async () => {
    expect(await policy({ passwordMinimumLength: 15 }).codes('123456789987654321')).toEqual(['password_common'])
  })

  test.each([
    ['my ADA.king secret', { email: 'ada.king@example.com' }, 'password_contains_email'],
    ['my ada.king secret', { email: ' Ada.King@example.com' }, 'password_contains_email'],
    ['augusta and the sea', ada, 'password_contains_name'],
    ['the sea of NOELs', ada, 'password_contains_name'],
    ['the sea of kings', ada, 'password_contains_name'],
    ['lanterns of bo li', { email: 'x@example.com', name: 'Bo Li' }, 'password_contains_name'],
    ['lanterns of boli', { email: 'x@example.com', name: 'Bo Li' }, 'password_contains_name'],
    ['many strassen here', { email: 'x@example.com', name: 'Eva Straße' }, 'password_contains_name'],
    ['über die 山田太郎 brücke', { email: 'x@example.com', name: '山田太郎' }, 'password_contains_name'],
    ['the countess rides', { email: 'x@example.com', nickname: 'Countess' }, 'password_contains_name'],
    ['the hopper rides on', { email: 'x@example.com', familyName: 'Hopper' }, 'password_contains_name'],
    ['under the LatchKey mat', ada, 'password_contains_service'],
  ] as const)(
    'does not contain the name, the email or the service name: %s (ASVS V6.2.11)',
    async (password, person, code) => {
      expect(await policy().codes(password, person)).toEqual([code])
    },
  )

  test('may contain parts of the name or email shorter than four characters, and the email’s domain', async () => {
    const { codes } = policy({ serviceName: 'SSO' })
    expect(await codes('sso for ada and bo', { email: 'bo@example.com', name: 'Ada Bo' })).toEqual([])
    expect(await codes('an example.com of it', { email: 'bo@example.com' })).toEqual([])
    // No part of a name is used as a pattern.
    expect(await codes('lanterns over it', { email: '.*....@example.com', name: '.... ....' })).toEqual([])
  })

  test('may consist of one kind of character, unless a setting requires others (ASVS V6.2.5)', async () => {
    expect(await policy().codes('lanternsoverthequietriver')).toEqual([])
    const strict = policy({
      passwordUppercase: 'required',
      passwordLowercase: 'required',
      passwordDigit: 'required',
      passwordSpecial: 'required',
    })
    expect(await strict.codes('lanternsoverthequietriver')).toEqual([
      'password_needs_uppercase',
      'password_needs_digit',
      'password_needs_special',
    ])
    expect(await strict.codes('LANTERNS OVER THE 7')).toEqual(['password_needs_lowercase'])
    expect(await strict.codes('Lanterns over the 7')).toEqual([])
    expect(await strict.codes('Éclair über ٣ Straßen')).toEqual([])
    expect(policy().rules()).toEqual(['minimum', 'context', 'common'])
    expect(strict.rules()).toEqual(['minimum', 'uppercase', 'lowercase', 'digit', 'special', 'context', 'common'])
  })

  test('gets every reason for its refusal at once', async () => {
    const { codes } = policy({ passwordDigit: 'required', passwordMinimumLength: 64 }, ['\u200fLATCHKEY ada.king Noel'])
    expect(await codes('\u200fLATCHKEY ada.king Noel')).toEqual([
      'password_direction_marks',
      'password_too_short',
      'password_needs_digit',
      'password_contains_email',
      'password_contains_name',
      'password_contains_service',
      'sample_secret',
    ])
  })
})
