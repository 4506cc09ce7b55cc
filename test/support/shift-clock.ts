/**
 * Preloaded into started processes. Shifts their Date by the changing offset in a file.
 * Also shortens the lease of their signing keys to LATCHKEY_TEST_LEASE_MS.
 */
import { openSync, readSync } from 'node:fs'
import { registerHooks } from 'node:module'

/** Loads `file` from this folder instead of a module with that path ending, except itself. */
function replaceModule(ending: string, file: string): void {
  const url = new URL(file, import.meta.url).href
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier.endsWith(ending) && context.parentURL !== url ? { url, shortCircuit: true } : next(specifier, context),
  })
}

const file = process.env.LATCHKEY_TEST_CLOCK
if (file) {
  const open = openSync(file, 'r')
  const bytes = Buffer.alloc(20)
  const SystemDate = Date
  // One read of twenty bytes from the page cache takes about a microsecond. A watcher would be
  // notified too late.
  const now = (): number => SystemDate.now() + Number(bytes.toString('latin1', 0, readSync(open, bytes, 0, 20, 0)))
  globalThis.Date = new Proxy(SystemDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new SystemDate(now()).toString(),
    get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
  })
  // The database's clock is shifted too, except in tests of the difference between the two clocks.
  if (process.env.LATCHKEY_TEST_CLOCK_ALONE === undefined)
    replaceModule('/database/clock-offset.ts', './true-offset.ts')
}
if (process.env.LATCHKEY_TEST_LEASE_MS) replaceModule('/key-ring.ts', './short-lease.ts')
