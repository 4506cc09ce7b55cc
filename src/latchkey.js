#!/usr/bin/env node
/** What `latchkey` is on a path: starts the command line on a Node that reads TypeScript, wherever it was called from. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const exitFailure = 1

// `npx` and links lead to whatever Node the machine has, which may be as old as 20; ours comes with the devDependencies.
if (process.features.typescript) await import('./cli.ts')
else process.exitCode = runOnOwnNode()

function runOnOwnNode() {
  const node = findOwnNode()
  if (node === undefined) {
    const { cli } = JSON.parse(readFileSync(new URL('../locales/en.json', import.meta.url), 'utf8'))
    // The catalogue's `cli.nodeTooOld`: i18next is not worth loading for one sentence.
    process.stderr.write(`${cli.nodeTooOld}\n`)
    return exitFailure
  }
  const script = fileURLToPath(new URL('./cli.ts', import.meta.url))
  const { status } = spawnSync(node, [script, ...process.argv.slice(2)], { stdio: 'inherit' })
  return status ?? exitFailure
}

function findOwnNode() {
  try {
    return createRequire(import.meta.url).resolve('node/bin/node')
  } catch {
    return undefined
  }
}
