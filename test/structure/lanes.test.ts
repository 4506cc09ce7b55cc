/** Every test file runs in one lane, the listed files exist, and a run chooses its mutants. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { laneOf, listTestFiles, slowFiles } from '../lanes.ts'
import type { Mutant } from '../mutants/mutant.ts'
import { readShard, selectMutants } from '../mutants/select.ts'
import { root } from './source.ts'

test('a lane is determined by the folder, the list of slow files or the name', () => {
  expect(laneOf('test/faults/two-processes.test.ts')).toBe('faults')
  expect(laneOf('test/passwords/foreign-timing.nightly.test.ts')).toBe('nightly')
  expect(laneOf('test/oidc/jwks.test.ts')).toBe('default')
  for (const file of slowFiles) expect([file, laneOf(file)]).toEqual([file, 'faults'])
})

test('every file in the list of slow files exists', () => {
  expect(slowFiles.filter((file) => !existsSync(path.join(root, file)))).toEqual([])
  expect(listTestFiles(root)).toContain('test/structure/lanes.test.ts')
})

const mutant = (file: string, test: string): Mutant => ({
  disables: `defence of ${file}`,
  file,
  search: 'a',
  replacement: 'b',
  test,
})
const list = [
  mutant('src/a.ts', 'test/a'),
  mutant('src/b.ts', 'test/b/b.test.ts'),
  mutant('src/c.ts', 'test/a'),
  mutant('src/d.ts', 'test/d.test.ts'),
]

test('mutants are selected by words, by changed files and tests, and by shards that cover all of them', () => {
  const files = (selection: Parameters<typeof selectMutants>[1]) =>
    selectMutants(list, selection).map(({ file }) => file)
  expect(files({ words: [] })).toHaveLength(list.length)
  expect(files({ words: ['b.ts'] })).toEqual(['src/b.ts'])
  expect(files({ words: [], changed: new Set(['src/d.ts', 'test/a/one.test.ts']) })).toEqual([
    'src/a.ts',
    'src/c.ts',
    'src/d.ts',
  ])
  const parts = [1, 2, 3].map((index) => files({ words: [], shard: { index, count: 3 } }))
  expect(parts.flat().sort()).toEqual(list.map(({ file }) => file))
})

test.each(['0/4', '5/4', '1', 'a/b', '1/0'])('%s is not a shard', (text) =>
  expect(() => readShard(text)).toThrow('--shard'),
)
