/** The list of mutants is up to date: every patch applies, and the test that it names exists. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { mutants } from '../mutants/list.ts'
import { mutate } from '../mutants/mutant.ts'
import { root } from './source.ts'

test.each(mutants.map((mutant) => [mutant.disables, mutant] as const))('%s', (_, mutant) => {
  expect(mutate(mutant, root)).toContain(mutant.replacement)
  expect(existsSync(path.join(root, mutant.test))).toBe(true)
})
