/**
 * The mailbox of an email (UTS #46; RFC 5321 §4.1.2): spellings are equal, invalid ones refused.
 */
import { normaliseEmail, readMailbox, showEmail } from '../../src/accounts/email.ts'

const muenchen = { key: 'x@xn--mnchen-3ya.example', shown: 'x@münchen.example', wire: 'x@xn--mnchen-3ya.example' }

test.each([
  ['Unicode', 'x@münchen.example'],
  ['decomposed', 'x@mu\u0308nchen.example'],
  ['in capitals', 'x@MÜNCHEN.EXAMPLE'],
  ['Punycode', 'x@xn--mnchen-3ya.example'],
  ['Punycode in capitals', 'x@XN--MNCHEN-3YA.example'],
  ['full-width', 'x@ｍüｎｃｈｅｎ．ｅｘａｍｐｌｅ'],
  ['an ideographic full stop', 'x@münchen\u3002example'],
  ['a half-width ideographic full stop', 'x@münchen\uFF61example'],
  ['a final dot', 'x@münchen.example.'],
  ['a final ideographic full stop', 'x@münchen\u3002example\u3002'],
  ['spaces around', '  x@münchen.example '],
])('a domain in another spelling (%s) is the same mailbox, shown as Unicode', (_, typed) => {
  expect(readMailbox(typed)).toEqual(muenchen)
  expect(readMailbox(typed.replace('x@', 'X@'))).toEqual({
    key: muenchen.key,
    shown: 'X@münchen.example',
    wire: 'X@xn--mnchen-3ya.example',
  })
})

test('a plain email is shown as it was typed, and letters of any script may precede the @', () => {
  expect(readMailbox(' Jos\u00e9@Example.com. ')).toEqual({
    key: 'jos\u00e9@example.com',
    shown: 'Jos\u00e9@Example.com',
    wire: 'Jos\u00e9@example.com',
  })
  expect(readMailbox('用户@例え.jp')).toMatchObject({ key: '用户@xn--r8jz45g.jp', shown: '用户@例え.jp' })
  expect(readMailbox("o'brien+shop@a-b.example")).toMatchObject({ key: "o'brien+shop@a-b.example" })
  expect(readMailbox('root@localhost')).toMatchObject({ key: 'root@localhost' })
})

test.each([
  // Node's domainToASCII reads these two as example.com and an IP address.
  'x@ex%41mple.com',
  'x@0x7f.1',
  'x@127.0.0.1',
  'x@2130706433',
  'x@0x7f000001',
  'x@example.0x7f',
  'x@１２７．０．０．１',
  'x@[127.0.0.1]',
  'x@[IPv6:::1]',
  'x@::1',
  'x@example..com',
  'x@.example.com',
  'x@example.com..',
  'x@.',
  'x@',
  '@example.com',
  'example.com',
  'x@y@example.com',
  'x@-a.example',
  'x@a-.example',
  'x@ab--cd.example',
  'x@a_b.example',
  'x@xn--a.example',
  'x@xn--.example',
  'x@xn--mnchen-3ya\u00fc.example',
  'x@\u0301a.example',
  'x@a/b.example',
  'x@℀.example',
  'x@exam\u00ADple.com',
  'x@exam\u200Bple.com',
  'x@a\u200db.example',
  'x@a b.example',
  'x@a\u3000b.example',
  'x y@example.com',
  'x\u202e@example.com',
  // Invisible characters, and fillers.
  'x\uFE0F@example.com',
  'x\u034F@example.com',
  'x\u3164@example.com',
  'x\uFFA0@example.com',
  '\u115Fx@example.com',
  'x\u{E0100}@example.com',
  'x\u2800@example.com',
  'x\uFFFC@example.com',
  'x\uFFFD@example.com',
  'x\uFDD0@example.com',
  'x\uFFFE@example.com',
  'x\u{1FFFF}@example.com',
  'x\u180B@example.com',
  'x,y@example.com',
  'x<y@example.com',
  '"x"@example.com',
  'x\ud800@example.com',
  'x@example.com\ud800',
  `x@${'a'.repeat(64)}.example`,
  `x@${'ü'.repeat(60)}.example`,
  `x@${'a.'.repeat(130)}example`,
  `${'a'.repeat(65)}@example.com`,
  `${'a'.repeat(300_000)}@example.com`,
])('%j is not an email address', (typed) => {
  expect(readMailbox(typed)).toBeUndefined()
  expect(normaliseEmail(typed)).toBe(normaliseEmail(normaliseEmail(typed)))
})

test.each([
  ['ΟΔΥΣΣΕΎΣ', 'οδυσσεύς', 'οδυσσεύσ', 'Οδυσσεύς'],
  ['ΝΊΚΟΣ.ΠΑΠ', 'νίκος.παπ', 'νίκοσ.παπ'],
  ['SANTA', 'ſanta', 'santa', 'ſANTA'],
  ['ΜΕΤΡΟ', 'µετρο', 'μετρο'],
  ['ΘΕΟΣ', 'ϑεος', 'θεοσ'],
  ['ẞ', 'ß'],
  ['ДОМ', 'дом', '\u1C81\u1C82м'],
])('spellings that differ only in case are one mailbox: %s', (...spellings) => {
  const keys = new Set(spellings.map((local) => readMailbox(`${local}@example.com`)?.key))
  expect(keys.size).toBe(1)
  expect(normaliseEmail([...keys][0]!)).toBe([...keys][0])
})

test('similar letters that differ in more than case are different mailboxes', () => {
  for (const [one, other] of [
    ['straße', 'strasse'],
    ['ı', 'i'],
    ['é', 'e'],
    ['σ', 's'],
  ]) {
    expect(readMailbox(`${one}@example.com`)?.key).not.toBe(readMailbox(`${other}@example.com`)?.key)
  }
})

test('the shown form of an email is the same mailbox when it is typed again', () => {
  for (const typed of [
    'x@faß.example',
    'x@ΟΔΟΣ.example',
    'x@xn--fa-hia.example',
    'x@I\u0307.example',
    'x@نامه\u200Cای.example',
  ]) {
    expect([typed, readMailbox(showEmail(typed))?.key]).toEqual([typed, readMailbox(typed)?.key])
  }
  expect(readMailbox('x@faß.example')?.key).not.toBe(readMailbox('x@fass.example')?.key)
})
