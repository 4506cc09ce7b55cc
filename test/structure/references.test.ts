/** The checkout has no local paths, no work-order numbers and no links to missing documents. */
import path from 'node:path'
import { linkTargets, listProjectPaths, readProjectFiles } from './project-files.ts'
import type { SourceFile } from './source.ts'

const files = readProjectFiles()
const paths = new Set(listProjectPaths())
const names = new Set([...paths].map((file) => path.posix.basename(file)))
const self = 'test/structure/references.test.ts'

const patterns: Readonly<Record<string, RegExp>> = {
  'a path of one machine': /(?<![\w.:/-])\/(?:work|home|root|Users|mnt)\/\w|\b[A-Z]:\\/,
  'a folder beside the checkout': /(?:\.\.\/)+shared\b/,
  'the number of a work order':
    /\b(?:issue|ticket|task|story|milestone|work[ -]order|attack)s? (?:no\. ?|number |#)?\d/i,
}

/** Lines of a file that match one of the patterns, as `path:line what`. */
const findReferences = ({ path: file, text }: SourceFile): string[] =>
  text.split('\n').flatMap((line, index) =>
    Object.entries(patterns)
      .filter(([, pattern]) => pattern.test(line))
      .map(([what]) => `${file}:${index + 1} ${what}`),
  )

/** Relative paths that lead above the root of the project. */
const findEscapes = ({ path: file, text }: SourceFile): string[] =>
  [...text.matchAll(/(?<![\w./])(?:\.\.\/)+[\w.-]+/g)]
    .filter(([target]) => path.posix.join(path.posix.dirname(file), target).startsWith('../'))
    .map(([target]) => `${file} ${target}`)

/** Placeholder names: the pattern of a decision, and files that a test plants. */
const placeholder = /NNNN-title\.md$|planted\.md$/

/** Names of Markdown documents that do not exist. */
const findUnknownDocuments = ({ path: file, text }: SourceFile): string[] =>
  [...text.replaceAll(/https?:\/\/\S+/g, '').matchAll(/[\w./-]*\w\.md\b/g)]
    .filter(([name]) => !names.has(path.posix.basename(name)) && !placeholder.test(name))
    .map(([name]) => `${file} ${name}`)

const isLinkBroken = (file: string, target: string): boolean => {
  const resolved = path.posix.join(path.posix.dirname(file), target).replace(/\/$/, '')
  return !paths.has(resolved) && ![...paths].some((known) => known.startsWith(`${resolved}/`))
}
const findBrokenLinks = ({ path: file, text }: SourceFile): string[] =>
  linkTargets(text)
    .filter((target) => isLinkBroken(file, target))
    .map((target) => `${file} ${target}`)

const others = files.filter(({ path: file }) => file !== self)
const documents = files.filter(({ path: file }) => file.endsWith('.md'))

// Path traversal attacks in tests.
const attacks = /\/(?:etc|package|proc)\b/

test.each([
  'see /work/notes.txt',
  'cp /home/anna/key .',
  'C:\\Users\\anna',
  '// ../shared/plan.txt, section 2',
  '// Issue 11: limits.',
  '(attacks 31 to 33)',
  'Work order 7',
])('refuses: %s', (text) => {
  expect(findReferences({ path: 'src/planted.ts', text })).toHaveLength(1)
})

test('no file names a local path, a folder beside the checkout or the number of a work order', () => {
  expect(files.length).toBeGreaterThan(500)
  expect(others.flatMap(findReferences)).toEqual([])
})

test('no relative path leads out of the checkout', () => {
  expect(findEscapes({ path: 'docs/planted.md', text: '[plan](../../plan.txt)' })).toEqual([
    'docs/planted.md ../../plan.txt',
  ])
  expect(findEscapes({ path: 'docs/planted.md', text: '[code](../src/app.ts)' })).toEqual([])
  expect(others.flatMap(findEscapes).filter((found) => !attacks.test(found))).toEqual([])
})

test('every named document exists', () => {
  expect(findUnknownDocuments({ path: 'src/planted.ts', text: '// see no-such-page.md, §3' })).toHaveLength(1)
  expect(others.flatMap(findUnknownDocuments)).toEqual([])
})

test('every relative link of a document leads to a file', () => {
  expect(findBrokenLinks({ path: 'docs/planted.md', text: '[keys](key.md#times)' })).toEqual(['docs/planted.md key.md'])
  expect(documents.length).toBeGreaterThan(20)
  expect(documents.flatMap(findBrokenLinks)).toEqual([])
})
