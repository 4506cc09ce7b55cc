/** A copy of the project in which the mutants are tried one after another. */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { clusterVariable } from '../support/global-setup.ts'
import { freshVariable } from '../support/populate.ts'
import type { Mutant } from './mutant.ts'
import { mutate } from './mutant.ts'

const root = path.resolve(import.meta.dirname, '../..')
const limitMs = 180_000
const left = ['node_modules', '.git', '.data', 'coverage', 'screenshots']
/** The sources of the template database: their mutants need a cluster of their own. */
const schemaFolders = ['migrations/', 'src/database/', 'src/jobs/']

export type Outcome = {
  /** `broken`: the tests could not run, which proves nothing. */
  verdict: 'red' | 'green' | 'broken' | 'too slow'
  /** The first test that failed. */
  failed: string | undefined
  output: string
}

/** Readable by all users, for tests that start Postgres as another user. Shares the packages. */
export function createTrial() {
  const copy = mkdtempSync(path.join(tmpdir(), 'latchkey-mutants-'))
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
  cpSync(root, copy, { recursive: true, filter: (source) => !left.includes(path.relative(root, source)) })
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))

  function runTest(test: string, isSchemaOwn = false): Promise<Outcome> {
    const jest = path.join(copy, 'node_modules/jest/bin/jest.js')
    const { [clusterVariable]: cluster = '', ...rest } = process.env
    const env = { ...rest, [freshVariable]: '1' }
    const child = spawn(process.execPath, ['--experimental-vm-modules', jest, '--runInBand', '--ci', '--bail', test], {
      cwd: copy,
      env: isSchemaOwn ? env : { ...env, [clusterVariable]: cluster },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const chunks: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
    let isTooSlow = false
    const limit = setTimeout(() => {
      isTooSlow = true
      child.kill()
    }, limitMs)
    return new Promise((resolve) => {
      child.on('close', (code) => {
        clearTimeout(limit)
        const output = Buffer.concat(chunks).toString()
        const failed = /^ +● (.+)$/m.exec(output)?.[1]
        const isBroken = failed === undefined || failed === 'Test suite failed to run'
        const verdict = isTooSlow ? 'too slow' : code === 0 ? 'green' : isBroken ? 'broken' : 'red'
        resolve({ verdict, failed, output })
      })
    })
  }

  return {
    runTest: (test: string) => runTest(test),
    runMutant: async (mutant: Mutant): Promise<Outcome> => {
      const place = path.join(copy, mutant.file)
      const original = readFileSync(place)
      writeFileSync(place, mutate(mutant, copy))
      const outcome = await runTest(
        mutant.test,
        schemaFolders.some((folder) => mutant.file.startsWith(folder)),
      )
      writeFileSync(place, original)
      return outcome
    },
  }
}

export type Trial = ReturnType<typeof createTrial>
