/** `latchkey` on the PATH, from any working directory, with any version of Node. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createTestFolder } from '../support/folders.ts'
import { latchkey } from './command-line.ts'

const launcher = path.resolve(import.meta.dirname, '../../src/cli-launcher.js')
const { version } = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../package.json'), 'utf8'))

/** An older Node on the PATH that does not read TypeScript, as on a machine with Node 20. */
const olderNode = (process.env.PATH ?? '')
  .split(path.delimiter)
  .map((folder) => path.join(folder, 'node'))
  .find((file) => spawnSync(file, ['-p', 'process.features.typescript']).stdout?.toString().trim() === 'undefined')

test('the latchkey command runs the command line interface, and exits with its code', async () => {
  const cwd = createTestFolder()
  expect(await latchkey(['--version'], { script: launcher, cwd })).toMatchObject({ code: 0, stdout: `${version}\n` })
  expect(await latchkey(['nonsense'], { script: launcher, cwd })).toMatchObject({ code: 2 })
})

const testWithOlderNode = olderNode ? test : test.skip
testWithOlderNode('[needs node 20] an older Node changes to the one that Latchkey brings', () => {
  const run = (...args: string[]) =>
    spawnSync(olderNode ?? '', [launcher, ...args], { cwd: createTestFolder(), encoding: 'utf8' })
  expect(run('--version')).toMatchObject({ status: 0, stdout: `${version}\n` })
  expect(run('nonsense')).toMatchObject({ status: 2 })
})
