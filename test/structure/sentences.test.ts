/** The catalogue of sentences: each requested key exists, and no test repeats a sentence. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the planted lines are programs, not templates of this file
import { listSentenceKeys } from '../../src/locales.ts'
import { findLiteralSentences } from './sentence-lint.ts'
import { listFiles } from './source.ts'
import { withTypes } from './typed-source.ts'

const keys = new Set(listSentenceKeys().map((key) => key.replace(/_(one|other|zero)$/, '')))
const sections = [...new Set([...keys].map((key) => key.split('.')[0]))]
const askers = listFiles(['src', 'adapters', 'keys', 'views', 'examples'], ['.ts', '.ejs', '.js'])
const everything = askers.map(({ text }) => text).join('\n')

/** Strings that begin with a section of the catalogue: keys, and prefixes that code completes. */
const literals = askers.flatMap(({ path, text }) =>
  [...text.matchAll(new RegExp(`(['"\`])((?:${sections.join('|')})\\.[\\w.-]*)(?=\\1|\\$\\{)`, 'g'))].map((match) => ({
    path,
    literal: match[2] ?? '',
  })),
)
const beginnings = literals.map(({ literal }) => literal).filter((literal) => literal.endsWith('.'))

/** Prefixes completed with OAuth error codes, HTTP statuses, standard claims or variables. */
const foreignWords = ['pages.error.protocol.', 'pages.error.heading.', 'pages.consent.scope.']

/** Names with a dot that are not keys: audit actions, file names. */
const isNoKey =
  /\.(ts|js|json|ejs|css|yaml)$|^(account|client|resource_server|consent|grant|setting|seed|key)\.[a-z_]+$/

test('every requested sentence exists', () => {
  const missing = literals.filter(
    ({ literal }) => !literal.endsWith('.') && !keys.has(literal) && !isNoKey.test(literal),
  )
  expect(missing).toEqual([])
})

test('every sentence is requested', () => {
  const asked = new Set(literals.map(({ literal }) => literal))
  const unused = [...keys].filter((key) => {
    if (asked.has(key)) return false
    const beginning = beginnings.find((start) => key.startsWith(start))
    if (!beginning) return true
    if (foreignWords.some((start) => key.startsWith(start))) return false
    const word = key.slice(beginning.length)
    return !new RegExp(`\\b${word}\\b`).test(everything)
  })
  expect(unused).toEqual([])
})

/** The texts of every catalogue. */
const textsOf = (branch: unknown): string[] =>
  typeof branch === 'string' ? [branch] : Object.values(branch as Record<string, unknown>).flatMap(textsOf)
const catalogues = listFiles(['locales'], ['.json'])
const sentences = catalogues.flatMap(({ text }) => textsOf(JSON.parse(text)))

/** The test of each catalogue that reads its sentences. */
const readerOf = (catalogue: string) => catalogue.replace(/^locales\/(.*)\.json$/, 'test/locales/$1.test.ts')

const plantedSentences = ['Your cart is saved.', 'Take out', 'The cart is too heavy. Carry at most {{maximum}} kilos.']
const refusedFinders: readonly string[] = [
  "await page.getByText('Hello there').click()",
  "await page.getByLabel(/Hello/).fill('x')",
  "await page.getByRole('button', { name: 'Go' }).click()",
  'await page.getByRole(`link`, { name: `Go to ${place}`, exact: true }).click()',
  "await page.locator('p', { hasText: 'Hello' }).waitFor()",
  "await page.locator('li').filter({ hasNotText: 'Hello' }).waitFor()",
  "await page.locator('text=Hello').click()",
  'await page.click(\'button:has-text("Hello")\')',
  "expect(body).toContain('Your cart is saved')",
  "expect(body).toContain('cart is saved')",
  "expect(body).toContain('<h1>Take out</h1>')",
  "expect([body]).toEqual([expect.stringContaining('is too heavy. Carry')])",
  'expect(body).toMatch(/at most \\d+ kilos|cart is too heavy/)',
  "if (/The cart is too heavy/.test(body)) throw new Error('x')",
  "if (body === 'Take out') throw new Error('x')",
  "const told = 'The cart is too heavy. Carry at most 12 kilos.'",
  "const beginning = 'The cart is'",
  'expect(body.split(`Your cart is saved by ${place}`)).toHaveLength(2)',
]
const allowedFinders: readonly string[] = [
  "await page.getByRole('alert').waitFor()",
  "await page.getByText(sentence('pages.cart.saved')).waitFor()",
  "await page.getByRole('button', { name: sentence('pages.cart.submit') }).click()",
  "await page.locator('#code', { hasText: '1' }).fill('123456')",
  'await page.locator(`form[action="${place}"] button[name=go]`).click()',
  'expect(body).toContain(\'id="cart-problem"\')',
  "expect(body).toMatch(sentence('pages.cart.saved'))",
  "test('Your cart is saved when it is full', () => {})",
  "const cart = 'cart is too'",
  "expect(body).toBe('Take')",
]
const pathOf = (list: 'refused' | 'allowed', index: number) => `test/planted/${list}-${index}.ts`
const plant = (list: 'refused' | 'allowed', bodies: readonly string[]) =>
  bodies.map((body, index): [string, string] => [
    pathOf(list, index),
    `import type { Page } from 'playwright-core'
import { sentence } from '../support/sentences.ts'
export const planted = async (page: Page, body: string, place: string) => {
  ${body}
}
`,
  ])
const repeated = withTypes(
  ['test'],
  Object.fromEntries([...plant('refused', refusedFinders), ...plant('allowed', allowedFinders)]),
  (project) => {
    const isPlanted = (path: string) => path.startsWith('test/planted/')
    const readers = catalogues.map(({ path }) => readerOf(path))
    // A mutant's title says what it disables, and no assertion compares it.
    const isExempt = (path: string) => isPlanted(path) || readers.includes(path) || path === 'test/mutants/list.ts'
    return {
      ours: findLiteralSentences(project, { sentences, isExempt }),
      planted: findLiteralSentences(project, {
        sentences: plantedSentences,
        isExempt: (path: string) => !isPlanted(path),
      }),
    }
  },
)
const plantedIn = (file: string) => repeated.planted.filter((one) => one.startsWith(`${file}:`))

test('a test finds elements by role, field, code or key, never by a sentence', () => {
  expect(repeated.ours).toEqual([])
})

test.each(refusedFinders.map((body, index) => [body, index] as const))('refused: %s', (_body, index) => {
  expect(plantedIn(pathOf('refused', index))).not.toEqual([])
})

test.each(allowedFinders.map((body, index) => [body, index] as const))('allowed: %s', (_body, index) => {
  expect(plantedIn(pathOf('allowed', index))).toEqual([])
})

test('each catalogue has a test that reads it', () => {
  const tests = listFiles(['test/locales']).map(({ path }) => path)
  expect(catalogues.map(({ path }) => readerOf(path))).toEqual(tests)
})
