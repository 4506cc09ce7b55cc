/** The English catalogue as a user reads it: the only test that repeats its sentences. */
import { readFileSync } from 'node:fs'
import type { SentenceParams } from '../../src/locales.ts'
import { listSentenceKeys } from '../../src/locales.ts'
import { sentence } from '../support/sentences.ts'

type Catalogue = { readonly [key: string]: string | Catalogue }

const catalogue = JSON.parse(readFileSync(new URL('../../locales/en.json', import.meta.url), 'utf8')) as Catalogue
const textAt = (key: string) => key.split('.').reduce<unknown>((branch, name) => Object(branch)[name], catalogue)
const sentences = listSentenceKeys(catalogue).map((key) => [key, String(textAt(key))] as const)

/** Sentences with their values filled in, in singular and plural. */
const read: readonly (readonly [key: string, text: string | RegExp, params?: SentenceParams])[] = [
  ['errors.wrong_credentials', 'The email address or the password is not right. Check both and try again.'],
  ['errors.password_too_long', 'The password is too long. Use at most 128 characters.', { maximum: 128 }],
  [
    'errors.account_leaving',
    'This account will be deleted on 2026-12-14. To keep it, sign in at https://a.example/account before that day.',
    { date: '2026-12-14', url: 'https://a.example/account' },
  ],
  [
    'errors.account_ambiguous',
    'Several accounts have this mailbox: 7 keeps it, 8 cannot sign in by it. Name the one that you mean by its id.',
    { keeper: '7', marked: '8' },
  ],
  [
    'problems.password_too_short',
    'The password is too short. Use at least 12 characters; several words are easy to remember.',
    { minimum: 12 },
  ],
  ['problems.unknown_key', 'emial is not known. Perhaps email?', { key: 'emial', nearest: 'email' }],
  ['pages.login.submit', 'Sign in'],
  ['pages.newPassword.rules.minimum', '12 to 128 characters of any kind, spaces too', { minimum: 12, maximum: 128 }],
  ['pages.consent.scope.email', 'see your email address'],
  ['pages.consent.lasts', /^The access ends when you sign out\. /],
  ['pages.consent.lastsOffline', /^The application keeps this access when you are away and after you sign out, /],
  ['pages.own.done.password', 'Your password is changed. You are signed out everywhere else.'],
  ['pages.own.sessions.browser', 'Firefox on Linux', { browser: 'Firefox', system: 'Linux' }],
  ['pages.own.factors.codes.left', /^1 code is left\. /, { count: 1 }],
  ['pages.own.factors.codes.left', /^9 codes are left\. /, { count: 9 }],
  ['pages.own.data.delete.lead', / after 1 day\. /, { count: 1 }],
  ['pages.own.data.delete.lead', / after 14 days\. /, { count: 14 }],
  ['emails.subject.password_changed', 'Your password was changed'],
  ['emails.item', 'authenticator app, added 2026-11-30', { factor: 'authenticator app', at: '2026-11-30' }],
  ['server.startRefused', 'Latchkey does not start. And why.', { sentence: 'And why.' }],
  ['server.databaseUnreachable', /^The database does not answer \(no route\)\. .*DATABASE_URL/, { reason: 'no route' }],
  [
    'errors.address_taken',
    /^Port 3000 of 127\.0\.0\.1 is in use.* PORT\.$/,
    { port: 3000, host: '127.0.0.1', variable: 'PORT' },
  ],
  [
    'errors.migrations_pending',
    / lacks migrations \(0008_consent\) .*latchkey migrate$/,
    { migrations: '0008_consent' },
  ],
  ['errors.master_key_unknown_to_servers', /: 1 running process does not know /, { count: 1 }],
  ['errors.master_key_unknown_to_servers', /: 2 running processes do not know /, { count: 2 }],
  ['cli.client.secret', 'Client secret, shown only once:'],
  ['cli.user.factorsReset', /^a@b\.example .*: 1 was removed\. /, { email: 'a@b.example', count: 1 }],
  ['cli.user.factorsReset', /^a@b\.example .*: 2 were removed\. /, { email: 'a@b.example', count: 2 }],
]

test.each(read.map((one, index) => [one[0], index, one] as const))('%s (%i)', (_key, _index, [key, text, params]) => {
  if (typeof text === 'string') expect(sentence(key, params)).toBe(text)
  else expect(sentence(key, params)).toMatch(text)
})

/** The sentences of the catalogue that break a rule, by key. */
const broken = (isBroken: (key: string, text: string) => boolean) =>
  sentences.filter(([key, text]) => isBroken(key, text)).map(([key]) => key)

test('every sentence is complete with the values of its own placeholders', () => {
  const left = sentences.map(([key, text]) => {
    const values = [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name = '']) => [name, name === 'count' ? 2 : 'x'])
    return [key, sentence(key, Object.fromEntries(values))] as const
  })
  expect(left.filter(([, text]) => text.trim() === '' || /\{\{|\}\}|\$t\(/.test(text)).map(([key]) => key)).toEqual([])
})

test('no sentence has markup, or invisible spaces', () => {
  const isLaidOut = (key: string) => ['server.banner', 'cli.exitCodes'].includes(key)
  expect(broken((_key, text) => /<\/?[a-z][^>]*>|&\w+;/.test(text))).toEqual([])
  expect(broken((key, text) => !isLaidOut(key) && /^\s|\s$|\s\s/.test(text))).toEqual([])
})

test('a title, a heading, a button and a subject end without a full stop, and fit in one line', () => {
  const isShort = (key: string) => /\.(title|heading|submit|subject|button)(\.|$)/.test(key)
  expect(broken((key) => isShort(key)).length).toBeGreaterThan(100)
  expect(broken((key, text) => isShort(key) && (text.endsWith('.') || text.length > 78))).toEqual([])
})
