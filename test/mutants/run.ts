/**
 * `npm run mutants [WORD…]`: a security test was seen red once. Applies each mutant of the list to a copy of the project, runs
 * its test, and expects it to fail. With words, only mutants whose description or file contains one of them.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { mutants } from './list.ts'
import type { Mutant } from './mutant.ts'
import { mutate } from './mutant.ts'

const root = path.resolve(import.meta.dirname, '../..')
const limitMs = 180_000
const left = ['node_modules', '.git', '.data', 'coverage', 'screenshots']

/** A copy of the working tree that shares the packages; readable by all, for tests that start Postgres under another user. */
function copyProject(): string {
  const copy = mkdtempSync(path.join(tmpdir(), 'latchkey-mutants-'))
  cpSync(root, copy, { recursive: true, filter: (source) => !left.includes(path.relative(root, source)) })
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  return copy
}

type Outcome = {
  /** `broken`: the tests could not even run, which shows nothing. */
  verdict: 'red' | 'green' | 'broken' | 'too slow'
  /** The first test that failed. */
  failed: string | undefined
  output: string
}

function runTest(copy: string, test: string): Promise<Outcome> {
  const jest = path.join(copy, 'node_modules/jest/bin/jest.js')
  const child = spawn(process.execPath, ['--experimental-vm-modules', jest, '--runInBand', '--ci', '--bail', test], {
    cwd: copy,
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

async function main(words: readonly string[]): Promise<number> {
  const wanted = mutants.filter(
    ({ disables, file }) => words.length === 0 || words.some((word) => `${disables} ${file}`.includes(word)),
  )
  for (const mutant of wanted) mutate(mutant, root)
  const copy = copyProject()
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }))

  // A test that is red without a mutant proves nothing.
  for (const test of new Set(wanted.map((mutant) => mutant.test))) {
    const { verdict, output } = await runTest(copy, test)
    if (verdict === 'green') continue
    console.log(`${test} is ${verdict} without any mutant:\n${output}`)
    return 2
  }
  let survivors = 0
  for (const mutant of wanted) {
    if (await isKilled(copy, mutant)) continue
    survivors += 1
  }
  console.log(`${wanted.length - survivors} killed, ${survivors} survived`)
  return survivors === 0 ? 0 : 1
}

async function isKilled(copy: string, mutant: Mutant): Promise<boolean> {
  const place = path.join(copy, mutant.file)
  const original = readFileSync(place)
  writeFileSync(place, mutate(mutant, copy))
  const { verdict, failed, output } = await runTest(copy, mutant.test)
  writeFileSync(place, original)
  const isDead = verdict === 'red' || verdict === 'too slow'
  const how = verdict === 'red' ? `by "${failed}"` : `${mutant.test}: ${verdict}`
  console.log(`${isDead ? 'killed  ' : 'SURVIVED'} ${mutant.disables} (${mutant.file}), ${how}`)
  if (verdict === 'broken') console.log(output)
  return isDead
}

process.exitCode = await main(process.argv.slice(2))
