/** A process that uses the embedded database like a server, and releases it on request. */

import { startEmbeddedPostgres } from '../../src/database/embedded/index.ts'
import { AppError } from '../../src/errors.ts'

const say = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`)
// Like the server, it keeps running while requests drain.
process.on('SIGINT', () => say({ interrupted: true }))
try {
  const { url, close } = await startEmbeddedPostgres(JSON.parse(process.argv[2] ?? ''))
  say({ url })
  process.stdin.once('data', async () => {
    say({ closed: await close() })
    process.exit()
  })
} catch (error) {
  if (!(error instanceof AppError)) throw error
  say({ code: error.code, params: error.params })
  process.exit(1)
}
