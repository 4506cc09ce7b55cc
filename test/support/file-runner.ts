/**
 * How Jest runs a test file here: in the worker's own realm instead of a new one. The modules of the server and its packages are then
 * loaded once a worker, not once a file.
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

// What a marked module imports of the project is marked too: it is another module than the one without a mark.
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    const isOwn = found.url.startsWith('file:') && !found.url.includes('/node_modules/')
    return isOwn && context.parentURL?.endsWith(mark) ? { ...found, url: `${found.url}${mark}` } : found
  },
})

/** Jest loads its test functions anew for each file; their state stays in the realm and is removed here. */
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

/** What Jest asks of the realm in which a test file runs. */
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

/** Jest's `testRunner`. What a file may change of the realm, Date and the environment, is restored at its end. */
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
