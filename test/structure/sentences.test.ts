/** The catalogue of sentences: every key that code or a view asks for is there, and none is there for nobody. */
import { listSentenceKeys } from '../../src/locales.ts'
import { listFiles } from './source.ts'

const keys = new Set(listSentenceKeys().map((key) => key.replace(/_(one|other|zero)$/, '')))
const sections = [...new Set([...keys].map((key) => key.split('.')[0]))]
const askers = listFiles(['src', 'adapters', 'keys', 'views', 'examples'], ['.ts', '.ejs', '.js'])
const everything = askers.map(({ text }) => text).join('\n')

/** Quoted strings that begin with a section of the catalogue: whole keys, and beginnings that code completes. */
const literals = askers.flatMap(({ path, text }) =>
  [...text.matchAll(new RegExp(`(['"\`])((?:${sections.join('|')})\\.[\\w.-]*)(?=\\1|\\$\\{)`, 'g'))].map((match) => ({
    path,
    literal: match[2] ?? '',
  })),
)
const beginnings = literals.map(({ literal }) => literal).filter((literal) => literal.endsWith('.'))

/** Completed with words that come from outside: OAuth error codes, HTTP statuses, claims of the standard, variables. */
const foreignWords = ['pages.error.protocol.', 'pages.error.heading.', 'pages.consent.scope.']

/** Names with a dot that are no keys: actions of the audit trail, names of files. */
const isNoKey =
  /\.(ts|js|json|ejs|css|yaml)$|^(account|client|resource_server|consent|grant|setting|seed|key)\.[a-z_]+$/

test('every sentence that is asked for exists', () => {
  const missing = literals.filter(
    ({ literal }) => !literal.endsWith('.') && !keys.has(literal) && !isNoKey.test(literal),
  )
  expect(missing).toEqual([])
})

test('every sentence is asked for', () => {
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
