/** `npm run check`: all steps in parallel. A failed step prints all of its output. */
import { spawn } from 'node:child_process'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '../..')

// Jest without the global set-up: only the structure test of the tables needs a database.
const jest = {
  rootDir: root,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/structure/**/*.test.ts'],
  testPathIgnorePatterns: ['<rootDir>/test/structure/generations\\.test\\.ts$'],
  transform: {},
  testRunner: '<rootDir>/test/support/file-runner.ts',
}

const steps: [name: string, script: string, ...args: string[]][] = [
  ['format and lint', '@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
  ['imports, sentences, error codes', 'jest/bin/jest.js', '--runInBand', '--config', JSON.stringify(jest)],
  ['types', 'typescript/bin/tsc', '--noEmit'],
  ['unused code', 'knip/bin/knip.js', '--no-progress'],
]

type Outcome = { name: string; isPassed: boolean; output: string; seconds: string }

function runStep([name, script, ...args]: (typeof steps)[number]): Promise<Outcome> {
  const began = performance.now()
  const child = spawn(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      path.join(root, 'node_modules', script),
      ...args,
    ],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const output: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk))
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      resolve({ name, isPassed: code === 0, output: Buffer.concat(output).toString(), seconds })
    })
  })
}

const outcomes = await Promise.all(
  steps.map(async (step) => {
    const outcome = await runStep(step)
    console.log(`${outcome.isPassed ? 'ok    ' : 'FAILED'} ${outcome.name} (${outcome.seconds} s)`)
    return outcome
  }),
)
for (const { name, isPassed, output } of outcomes) {
  if (!isPassed) console.log(`\n${name}:\n${output.trim()}`)
}
process.exitCode = outcomes.every(({ isPassed }) => isPassed) ? 0 : 1
