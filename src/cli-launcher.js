#!/usr/bin/env node
/**
 * The `latchkey` command: starts the command line (`cli.ts`) with a Node that can run TypeScript.
 * The server is `main.ts`; `npm start` has its flags.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const exitFailure = 1

// `npx` and links use the Node of the machine, possibly as old as 20. Ours is installed with the
// devDependencies.
if (process.features.typescript) await import('./cli.ts')
else process.exitCode = runOnOwnNode()

function runOnOwnNode() {
  const node = findOwnNode()
  if (node === undefined) {
    const { cli } = JSON.parse(readFileSync(new URL('../locales/en.json', import.meta.url), 'utf8'))
    // The catalogue's `cli.nodeTooOld`, read directly: loading i18next for one message is not
    // worthwhile.
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
    // The package is not installed: the caller uses the Node that runs.
    return undefined
  }
}
