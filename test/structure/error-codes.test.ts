/** Every error code has a sentence and a row in docs/reference/error-codes.md, and vice versa. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { listErrorCodes } from '../../src/errors.ts'
import { createSentences, listSentenceKeys } from '../../src/locales.ts'
import { listFiles, root } from './source.ts'

type Catalogue = { readonly errors: { readonly [code: string]: string | undefined } }

const declaring = listFiles(['src']).filter(({ text }) => /\bdeclare(Error|Problems)\(/.test(text))

beforeAll(async () => {
  for (const file of declaring) await import(path.join(root, file.path))
})

test('error codes are declared in errors.ts of their folder, or in src/problems.ts', () => {
  const elsewhere = declaring.filter((file) => !/errors\.ts$|^src\/problems\.ts$/.test(file.path))
  expect(elsewhere.map((file) => file.path)).toEqual([])
})

test('every error code has a sentence, and every error sentence has a code', () => {
  const { has } = createSentences({ isStrict: true })
  const codes = listErrorCodes().map(({ code }) => code)
  expect(codes.filter((code) => !has(`errors.${code}`))).toEqual([])
  const sentences = listSentenceKeys().filter((key) => key.startsWith('errors.'))
  expect(
    sentences.map((key) => key.replace(/^errors\.|_(one|other)$/g, '')).filter((code) => !codes.includes(code)),
  ).toEqual([])
})

test('docs/reference/error-codes.md has a row for every code with its status, in order, and no other', () => {
  const page = readFileSync(path.join(root, 'docs/reference/error-codes.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `([a-z0-9_]+)` +\| (\d{3}) +\| \S/gm)].map(([, code, status]) => ({
    code,
    status: Number(status),
  }))
  expect(rows).toEqual(listErrorCodes())
})

test('docs/reference/error-codes.md has the sentences that users read', () => {
  const page = readFileSync(path.join(root, 'docs/reference/error-codes.md'), 'utf8')
  const { errors } = JSON.parse(readFileSync(path.join(root, 'locales/en.json'), 'utf8')) as Catalogue
  const rows = [...page.matchAll(/^\| `([a-z0-9_]+)` +\| \d{3} +\| (.*?) +\|$/gm)].map(([, code, text]) => [code, text])
  const sentences = listErrorCodes().map(({ code }) => [
    code,
    (errors[code] ?? errors[`${code}_other`])?.replace(/\{\{(\w+)\}\}/g, '`$1`'),
  ])
  expect(rows).toEqual(sentences)
})
