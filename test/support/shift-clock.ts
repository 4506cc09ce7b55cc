/** Preloaded with --import into started processes: moves their Date by as much as a file says, at once and as often as it changes. */
import { openSync, readSync } from 'node:fs'
import { registerHooks } from 'node:module'

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
  if (process.env.LATCHKEY_TEST_CLOCK_ALONE === undefined) {
    const trueOffset = new URL('./true-offset.ts', import.meta.url).href
    registerHooks({
      resolve: (specifier, context, next) =>
        specifier.endsWith('/database/offset.ts') && context.parentURL !== trueOffset
          ? { url: trueOffset, shortCircuit: true }
          : next(specifier, context),
    })
  }
}
