/**
 * Runs a test file in the worker's own realm instead of a new one, so that a worker loads the
 * server and its packages only once. For a run of mutants, runs the file once for each mutant.
 */
import { createRequire, registerHooks } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ownModules } from '../lanes.ts'
import type { FileResult, RunFile } from '../mutants/in-file.ts'
import { readTask, runMutants } from '../mutants/in-file.ts'
import { releaseAll } from './cleanup.ts'

type CircusEvent = { name: string; test?: { mode?: string | null; errors: readonly unknown[] } }
type Environment = { global: object; handleTestEvent: (event: CircusEvent) => void }

type Adapter = (
  globalConfig: unknown,
  config: unknown,
  environment: Environment,
  runtime: object,
  file: string,
  report: unknown,
) => Promise<FileResult>

const require = createRequire(import.meta.url)
const runWithCircus = (require('jest-circus/runner') as { default: Adapter }).default
const circusFile = path.join(path.dirname(require.resolve('jest-circus/package.json')), 'build/jestAdapterInit.js')
const SystemDate = Date
const nothing = () => {}
const root = path.resolve(import.meta.dirname, '../..')
const mark = '?own-modules'
const marked = /\?own-modules=\d+$/
let loads = 0

// Project imports of a marked module get its mark: they are different modules from the unmarked
// ones.
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    const isOwn = found.url.startsWith('file:') && !found.url.includes('/node_modules/')
    const parentMark = marked.exec(context.parentURL ?? '')?.[0]
    return isOwn && parentMark ? { ...found, url: `${found.url}${parentMark}` } : found
  },
})

/** Jest loads its test functions again for each file. Their state in the realm is removed here. */
function forgetLastFile(): void {
  delete require.cache[circusFile]
  for (const symbol of Object.getOwnPropertySymbols(globalThis)) {
    if (['EVENT_HANDLERS', 'JEST_STATE_SYMBOL'].includes(symbol.description ?? ''))
      Reflect.deleteProperty(globalThis, symbol)
  }
}

function restoreEnvironment(before: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
  Object.assign(process.env, before)
}

/** The parts of a realm that Jest uses. The test file and its imports get `fileMark`. */
const createRealm = (fileMark: string) => ({
  requireInternalModule: require,
  requireModule: require,
  setGlobalsForRuntime: nothing,
  enterTestCode: nothing,
  leaveTestCode: nothing,
  unstable_shouldLoadAsEsm: () => true,
  unstable_importModule: async (file: string) => {
    afterAll(releaseAll)
    await import(`${pathToFileURL(file).href}${fileMark}`)
  },
})

/** Skips the tests that follow a failed one. */
function createFirstFailureStop(): (event: CircusEvent) => void {
  let hasFailed = false
  return ({ name, test }) => {
    if (name === 'test_done' && test && test.errors.length > 0) hasFailed = true
    if (name === 'test_start' && test && hasFailed) test.mode = 'skip'
  }
}

/** Jest's `testRunner`. A file's changes to Date and to the environment are undone at its end. */
export default async function runFile(
  globalConfig: unknown,
  config: unknown,
  _environment: unknown,
  _runtime: unknown,
  file: string,
  report: unknown,
): Promise<unknown> {
  const run: RunFile = async ({ isMutant }) => {
    forgetLastFile()
    const variables = { ...process.env }
    const isMarked = ownModules.includes(path.relative(root, file).replaceAll('\\', '/'))
    if (isMarked || isMutant) loads += 1
    const realm = createRealm(isMarked || isMutant ? `${mark}=${loads}` : '')
    const handleTestEvent = isMutant ? createFirstFailureStop() : nothing
    try {
      return await runWithCircus(globalConfig, config, { global: globalThis, handleTestEvent }, realm, file, report)
    } finally {
      globalThis.Date = SystemDate
      restoreEnvironment(variables)
    }
  }
  const task = readTask()
  return task ? await runMutants(task, run) : await run({ isMutant: false })
}
