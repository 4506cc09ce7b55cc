/**
 * The catalogue of texts: every text for users is looked up here by its key, never written in code
 * or views.
 */
import { readFileSync } from 'node:fs'
import { createInstance } from 'i18next'

export type SentenceParams = Readonly<Record<string, string | number>>

export type Sentences = {
  /** The language of all texts, for the `lang` attribute (BCP 47). */
  lang: string
  /**
   * The text of `key` with its placeholders filled in. A placeholder inside a value is not
   * replaced.
   */
  t: (key: string, params?: SentenceParams) => string
  /** Whether the catalogue has a text for `key`. */
  has: (key: string) => boolean
}

type Catalogue = { readonly [key: string]: string | Catalogue }

/** Every key of the catalogue that has a text, with dots. */
export function listSentenceKeys(catalogue: Catalogue = readCatalogue(), prefix = ''): string[] {
  return Object.entries(catalogue).flatMap(([key, value]) =>
    typeof value === 'string' ? [prefix + key] : listSentenceKeys(value, `${prefix}${key}.`),
  )
}

const readCatalogue = (): Catalogue =>
  JSON.parse(readFileSync(new URL('../locales/en.json', import.meta.url), 'utf8')) as Catalogue

/**
 * Builds the catalogue. With `isStrict` (tests) a missing key or value throws; otherwise the key is
 * shown, because an incomplete page is better than no page.
 */
export function createSentences({ isStrict }: { isStrict: boolean }): Sentences {
  const catalogue = readCatalogue()
  const keys = new Set(listSentenceKeys(catalogue))
  const refuse = (problem: string) => {
    if (isStrict) throw new Error(problem)
  }
  const i18n = createInstance()
  // Without a backend this initialises synchronously. Values are not escaped here: views escape
  // what they print, and JSON needs no escaping.
  void i18n.init({
    lng: 'en',
    resources: { en: { translation: catalogue } },
    initAsync: false,
    nsSeparator: false,
    interpolation: { escapeValue: false, skipOnVariables: true },
    missingInterpolationHandler: (text: string, match: RegExpExecArray) => {
      refuse(`no value for ${match[0]} in the sentence "${text}"`)
      return ''
    },
  })
  // A text without values never changes, and a page uses about twenty of them.
  const plain = new Map<string, string>()
  const has = (key: string) => keys.has(key) || keys.has(`${key}_other`)
  return {
    lang: 'en',
    has,
    t: (key, params) => {
      const known = params === undefined ? plain.get(key) : undefined
      if (known !== undefined) return known
      if (!has(key)) {
        refuse(`no sentence for "${key}" in locales/en.json`)
        return key
      }
      const sentence = i18n.t(key, params)
      if (params === undefined) plain.set(key, sentence)
      return sentence
    },
  }
}
