/** Tests find the text of pages, emails and the CLI by a catalogue key or by a problem's code. */
import { readFileSync } from 'node:fs'
import type { SentenceParams } from '../../src/locales.ts'
import { createSentences } from '../../src/locales.ts'

type Catalogue = { readonly [key: string]: string | Catalogue }

const { t } = createSentences({ isStrict: true })
const catalogue = JSON.parse(readFileSync(new URL('../../locales/en.json', import.meta.url), 'utf8')) as Catalogue

/** The sentence at `key` as text. Throws where the key or a value is missing. */
export const sentence = (key: string, params?: SentenceParams): string => t(key, params)

/** The sentence as the catalogue has it, in its plural where it has one. */
function template(key: string): string {
  const find = (path: string): unknown =>
    path.split('.').reduce<unknown>((branch, name) => Object(branch)[name], catalogue)
  const found = [key, `${key}_other`].map(find).find((value) => typeof value === 'string')
  if (found === undefined) throw new Error(`no sentence for "${key}" in locales/en.json`)
  return found as string
}

/** A view escapes these characters. An email and the command line do not. */
const entities = new Map([
  ['&', '(?:&amp;|&)'],
  ['<', '(?:&lt;|<)'],
  ['>', '(?:&gt;|>)'],
  ['"', '(?:&#34;|")'],
  ["'", "(?:&#39;|')"],
])

const literally = (text: string): string =>
  text
    .replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    .replaceAll(/[&<>"']/g, (character) => entities.get(character) ?? character)

/** Marks the place of a value that is a pattern, with the value's name. */
const marked = (name: string): string => `\0${name}\0`

/**
 * Matches the sentence at `key` in HTML and in plain text.
 * A value may be a pattern. A missing value matches any text within its line.
 */
export function says(key: string, params: Readonly<Record<string, string | number | RegExp>> = {}): RegExp {
  const patterns = new Map<string, string>()
  const values: Record<string, string | number> = {}
  const named = [...template(key).matchAll(/\{\{(\w+)\}\}/g)].map(([, name = '']) => name)
  for (const name of [...named, ...Object.keys(params)]) {
    const value = params[name] ?? /.*?/
    if (value instanceof RegExp) patterns.set(marked(name), value.source)
    values[name] = value instanceof RegExp ? marked(name) : value
  }
  const text = t(key, values)
  if (text === key) throw new Error(`the sentence "${key}" needs a count`)
  let pattern = literally(text)
  for (const [mark, source] of patterns) pattern = pattern.replaceAll(mark, () => source)
  if (!/\p{L}/u.test(text.replaceAll(/\0\w+\0/g, ''))) throw new Error(`the sentence "${key}" has no words of its own`)
  return new RegExp(pattern)
}

/** The codes of all problems on a page, each once, in the order of the page. */
export const codesOn = ({ body }: { body: string }): string[] => [
  ...new Set([...body.matchAll(/ data-code="(\w+)"/g)].map(([, code = '']) => code)),
]
