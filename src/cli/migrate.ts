/**
 * `latchkey migrate`: runs the pending migrations, also when the server does not run them at its
 * start.
 */
import type { CliCommand } from './command.ts'
import { table } from './output.ts'

export const migrate: CliCommand = {
  name: 'migrate',
  about: 'cli.migrate.about',
  examples: ['latchkey migrate', 'MIGRATE_AT_START=false latchkey migrate --json'],
  run: async ({ openStores, log, t }) => {
    const stores = await openStores()
    const { migrate: bringUpToDate } = await import('../stores.ts')
    const applied = await bringUpToDate(stores, log)
    const rows = applied.map((name) => [name])
    const text = applied.length > 0 ? table([t('cli.migrate.applied')], rows) : t('cli.migrate.upToDate')
    return { data: { applied }, text }
  },
}
