/** Sentences with a number: "1 account", not "1 accounts". `count` has both forms. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './source.ts'

type Catalogue = { [key: string]: string | Catalogue }

const listSentences = (catalogue: Catalogue, prefix = ''): [key: string, sentence: string][] =>
  Object.entries(catalogue).flatMap(([key, value]) =>
    typeof value === 'string' ? [[prefix + key, value] as const] : listSentences(value, `${prefix}${key}.`),
  ) as [string, string][]

const catalogues = ['en'].map(
  (language): Catalogue => JSON.parse(readFileSync(path.join(root, `locales/${language}.json`), 'utf8')),
)

// Input limits are never 1.
const limits = ['limit', 'min', 'max', 'minimum', 'maximum', 'length']
const nouns = ['people', 'accounts?', 'clients?', 'changes?', 'lines?', 'codes?', 'browsers?', 'sessions?', 'emails?']
const units = [
  'days?',
  'hours?',
  'minutes?',
  'releases?',
  'lanes?',
  'passes',
  'letters?',
  'characters?',
  'entries',
  'process(?:es)?',
]
const numberedNoun = new RegExp(
  `\\{\\{(\\w+)\\}\\} (?:more |later |other |running )?(?:${[...nouns, ...units].join('|')})\\b`,
)

/** Keys of sentences with a number and only one form. */
function listSingleForms(catalogue: Catalogue): string[] {
  const sentences = listSentences(catalogue)
  const keys = new Set(sentences.map(([key]) => key))
  return sentences
    .filter(([key, sentence]) => {
      const base = key.replace(/_(one|other)$/, '')
      if (base !== key) return !keys.has(`${base}_one`) || !keys.has(`${base}_other`)
      const name = numberedNoun.exec(sentence)?.[1]
      return sentence.includes('{{count}}') || (name !== undefined && !limits.includes(name))
    })
    .map(([key]) => key)
}

test('a sentence with a number before a noun has a singular and a plural form', () => {
  const planted = {
    cli: { done: '{{count}} people are in {{path}}.', left_other: '{{count}} codes are left.' },
    wait: 'Wait {{days}} days.',
    stopped: '{{processes}} running processes stopped.',
    long: 'At most {{max}} characters.',
  }
  expect(listSingleForms(planted)).toEqual(['cli.done', 'cli.left_other', 'wait', 'stopped'])
  expect(catalogues.flatMap(listSingleForms)).toEqual([])
})
