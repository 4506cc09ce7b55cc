/**
 * Preloaded with --import into started processes. Moves their Date by as much as a file says, at once and as often as it changes; and shortens
 * the lease of their signing keys to LATCHKEY_TEST_LEASE_MS.
 */
import { openSync, readSync } from 'node:fs'
import { registerHooks } from 'node:module'

/** Loads `file`, from this folder, wherever a module whose path ends like that is asked for; but not for `file` itself. */
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
  // One read of twenty bytes from the page cache, about a microsecond: no watcher that would be told a moment too late.
  const now = (): number => SystemDate.now() + Number(bytes.toString('latin1', 0, readSync(open, bytes, 0, 20, 0)))
  globalThis.Date = new Proxy(SystemDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new SystemDate(now()).toString(),
    get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
  })
  // The database's clock moves along, but where its distance is the subject.
  if (process.env.LATCHKEY_TEST_CLOCK_ALONE === undefined) replaceModule('/database/offset.ts', './true-offset.ts')
}
if (process.env.LATCHKEY_TEST_LEASE_MS) replaceModule('/key-ring.ts', './short-lease.ts')
