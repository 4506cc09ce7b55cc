/** Which test files run together: `npm test`, `npm run test:faults` and `npm run test:nightly` are one lane each. */
import { globSync } from 'node:fs'

export const lanes = ['default', 'faults', 'nightly'] as const
export type Lane = (typeof lanes)[number]

/** Outside of test/faults: files that start several processes, and take long because of it. */
export const slowFiles: readonly string[] = [
  'test/cli/beside-server.test.ts',
  'test/database/embedded-locations.test.ts',
  'test/database/embedded.test.ts',
  'test/jobs/killed-process.test.ts',
  'test/limits/processes.test.ts',
]

/** Files that change a module: they load modules of their own, which no other file sees. */
export const ownModules: readonly string[] = ['test/accounts/planted-field.test.ts']

/** The lane of a file that is named from the root of the project. */
export function laneOf(file: string): Lane {
  if (file.endsWith('.nightly.test.ts')) return 'nightly'
  return file.startsWith('test/faults/') || slowFiles.includes(file) ? 'faults' : 'default'
}

export const listTestFiles = (root: string): string[] =>
  globSync('test/**/*.test.ts', { cwd: root }).map((file) => file.replaceAll('\\', '/'))
