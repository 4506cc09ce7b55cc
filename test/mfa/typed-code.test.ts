/** One-time codes as keyboards produce them: full width, other digits, spaces and hyphens. */
import { readCode } from '../../src/mfa/typed-code.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'
import { member, secondsMs, toFactor } from './setup.ts'

test.each([
  ['spaces', ' 123 456 '],
  ['a hyphen', '123-456'],
  ['a non-breaking hyphen', '123\u2011456'],
  ['a dash', '123–456'],
  ['a minus sign', '123\u2212456'],
  ['full width', '１２３\u3000４５６'],
  ['Arabic-Indic', '١٢٣٤٥٦'],
  ['Persian', '۱۲۳۴۵۶'],
  ['Devanagari', '१२३ ४५६'],
  ['Bengali', '১২৩৪৫৬'],
  ['Thai', '๑๒๓๔๕๖'],
  ['scripts whose digits adjoin', '\u1A81\u1A82\u1A83\u1A94\u1A95\u1A96'],
  ['an invisible mark', '\u200E123456'],
])('%s', (_, typed) => {
  expect(readCode(typed)).toBe('123456')
})

test.each(['12345', '12345a', '123.456', '123/456', 'Ⅻ3456', '½23456'])('%j is not read as six digits', (typed) => {
  expect(readCode(typed)).not.toMatch(/^\d{6}$/)
})

describe('at the login', () => {
  let server: Latchkey
  beforeAll(async () => {
    server = await startLatchkey()
  })
  afterAll(() => server?.stop())

  const shifted = (code: string, zero: number) =>
    code.replaceAll(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit)))

  test.each([
    ['full width', 0xff10],
    ['Arabic-Indic', 0x0660],
  ])(
    'a code of an app in %s digits is accepted, in two groups, and not a second time in plain digits',
    async (name, zero) => {
      const { person, phone } = await member(server, `digits-${name.replace(' ', '-').toLowerCase()}`)
      const { browser, page } = await toFactor(server, person)
      const plain = phone.code()
      const code = shifted(plain, zero)
      expect((await browser.submit(page, '/factor', { code: `${code.slice(0, 3)}-${code.slice(3)}` })).status).toBe(200)
      // The same code again: any spelling is the same code.
      server.clock.advance(secondsMs(1))
      const again = await toFactor(server, person)
      expect((await again.browser.submit(again.page, '/factor', { code: plain })).status).toBe(400)
    },
  )

  test('a recovery code in full width, in small letters and with spaces is accepted', async () => {
    const { person, codes } = await member(server, 'wide-recovery')
    const { browser, page } = await toFactor(server, person)
    const wide = codes[0]!
      .toLowerCase()
      .replaceAll('-', ' ')
      .replaceAll(/[0-9a-z]/g, (letter) => String.fromCodePoint(letter.codePointAt(0)! + 0xfee0))
    const answer = await browser.submit(page, '/factor', { method: 'recovery_code', code: wide })
    expect(answer.status).toBe(200)
  })
})
