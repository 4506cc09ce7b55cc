/**
 * `src/compose` builds the features in order from their entry files, and contains no conditions.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { endingLists } from '../../src/revocation/endings.ts'
import { readCompose } from './compose-lint.ts'
import type { SourceFile } from './source.ts'
import { listFiles, listImports, root } from './source.ts'

const early: readonly string[] = [
  'const outbox = create(() => logout.adopt())\nconst logout = create()',
  'const outbox = create({ logout })\nconst logout = create()',
  'const run = () => {\n  const first = () => second\n  const second = 1\n  return first\n}',
  'const use = () => name\nconst { name } = create()',
]
const inOrder: readonly string[] = [
  'const logout = create()\nconst outbox = create({ logout, later: (late: number) => late })\nconst late = 1',
  'const kept = create({ keep: 1 })\nconst keep = kept.keep',
]
const decisions: readonly string[] = [
  'if (create()) create()',
  'const one = create() ? 1 : 2',
  'const one = create() && 1',
  'const one = create() ?? 1',
  'const one = create() === 1',
  'const one = !create()',
]
const plant = (list: string, texts: readonly string[]) =>
  texts.map((text, index): [string, string] => [
    `src/compose/planted-${list}-${index}.ts`,
    `declare const create: (...given: unknown[]) => any\n${text}\nexport {}\n`,
  ])
const found = readCompose(
  Object.fromEntries([...plant('early', early), ...plant('in-order', inOrder), ...plant('decision', decisions)]),
)
const isPlanted = (one: string) => one.startsWith('src/compose/planted-')
const filesIn = (list: readonly string[]) => [...new Set(list.filter(isPlanted).map((one) => one.split(':')[0]))].sort()
const namesOf = (list: string, texts: readonly string[]) => plant(list, texts).map(([name]) => name)

test('the composition uses no name before its declaration, also not inside a function', () => {
  expect(filesIn(found.early)).toEqual(namesOf('early', early))
  expect(found.early.filter((one) => !isPlanted(one))).toEqual([])
})

test('the composition contains no decision', () => {
  expect(filesIn(found.decisions)).toEqual(namesOf('decision', decisions))
  expect(found.decisions.filter((one) => !isPlanted(one))).toEqual([])
})

const compose = listFiles(['src/compose'])

test('a file of the composition has at most 120 lines', () => {
  expect(compose.length).toBeGreaterThan(5)
  expect(compose.filter(({ text }) => text.split('\n').length > 121).map((file) => file.path)).toEqual([])
})

/** Imports of files in a feature that has an `index.ts`, except that file. */
const findWaysRound = (file: SourceFile): string[] =>
  listImports(file)
    .map(({ target }) => target)
    .filter((target) => {
      const folder = /^src\/[^/]+(?=\/)/.exec(target)?.[0]
      const entry = `${folder}/index.ts`
      return folder !== undefined && target !== entry && existsSync(path.join(root, entry))
    })

test('the composition imports a feature with an entry file only through that file', () => {
  const text = "import { createLogin } from '../login/service.ts'"
  expect(findWaysRound({ path: 'src/compose/planted.ts', text })).toEqual(['src/login/service.ts'])
  expect(compose.flatMap(findWaysRound)).toEqual([])
})

/** Endings that a text registers, as `cause.name`. */
const registeredIn = (text: string): string[] =>
  [...text.matchAll(/\bendings\.register\('(\w+)', '(\w+)'/g)].map(([, cause, name]) => `${cause}.${name}`)

test('features register exactly the endings of the lists', () => {
  expect(registeredIn("endings.register('accountReset', 'planted', end)")).toEqual(['accountReset.planted'])
  const listed = Object.entries(endingLists).flatMap(([cause, names]) => names.map((name) => `${cause}.${name}`))
  expect(
    listFiles(['src'])
      .flatMap(({ text }) => registeredIn(text))
      .sort(),
  ).toEqual(listed.sort())
})
