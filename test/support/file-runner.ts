/**
 * Runs a test file in the worker's own realm instead of a new one, so that a worker loads the
 * server and its packages only once.
 */
import { createRequire, registerHooks } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ownModules } from '../lanes.ts'
import { releaseAll } from './cleanup.ts'

type Adapter = (
  globalConfig: unknown,
  config: unknown,
  environment: { global: object },
  runtime: object,
  file: string,
  report: unknown,
) => Promise<unknown>

const require = createRequire(import.meta.url)
const runWithCircus = (require('jest-circus/runner') as { default: Adapter }).default
const circusFile = path.join(path.dirname(require.resolve('jest-circus/package.json')), 'build/jestAdapterInit.js')
const SystemDate = Date
const nothing = () => {}
const root = path.resolve(import.meta.dirname, '../..')
const mark = '?own-modules'

// Project imports of a marked module are marked too: it is a different module from the unmarked
// one.
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    const isOwn = found.url.startsWith('file:') && !found.url.includes('/node_modules/')
    return isOwn && context.parentURL?.endsWith(mark) ? { ...found, url: `${found.url}${mark}` } : found
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

/** The parts of a realm that Jest uses. */
const realm = {
  requireInternalModule: require,
  requireModule: require,
  setGlobalsForRuntime: nothing,
  enterTestCode: nothing,
  leaveTestCode: nothing,
  unstable_shouldLoadAsEsm: () => true,
  unstable_importModule: async (file: string) => {
    afterAll(releaseAll)
    const isMarked = ownModules.includes(path.relative(root, file).replaceAll('\\', '/'))
    await import(`${pathToFileURL(file).href}${isMarked ? mark : ''}`)
  },
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
  forgetLastFile()
  const variables = { ...process.env }
  try {
    return await runWithCircus(globalConfig, config, { global: globalThis }, realm, file, report)
  } finally {
    globalThis.Date = SystemDate
    restoreEnvironment(variables)
  }
}
