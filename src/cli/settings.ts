/** `latchkey settings`: the settings that can be changed while the server runs. */
import type { CliCommand } from './command.ts'
import { table } from './output.ts'

const list: CliCommand = {
  name: 'settings list',
  about: 'cli.settings.list.about',
  examples: ['latchkey settings list', 'latchkey settings list --json'],
  run: async ({ openParts, t }) => {
    const settings = await (await openParts()).settings.list()
    const head = [t('cli.columns.setting'), t('cli.columns.value'), t('cli.columns.default')]
    const rows = settings.map(({ key, value, default: usual }) => [key, value, usual])
    return { data: { settings }, text: table(head, rows) }
  },
}

const set: CliCommand = {
  name: 'settings set',
  about: 'cli.settings.set.about',
  arguments: [
    { syntax: '<key>', text: 'cli.settings.key' },
    { syntax: '<value>', text: 'cli.settings.value' },
  ],
  examples: ['latchkey settings set accessTokenSeconds 300', 'latchkey settings set serviceName "Example login"'],
  run: async ({ args: [key = '', value = ''], openParts, by, t }) => {
    const settings = await (await openParts()).settings.set(key, value, by)
    return { data: { settings }, text: t('cli.settings.changed', { key }) }
  },
}

const reset: CliCommand = {
  name: 'settings reset',
  about: 'cli.settings.reset.about',
  arguments: [{ syntax: '<key>', text: 'cli.settings.key' }],
  examples: ['latchkey settings reset accessTokenSeconds'],
  run: async ({ args: [key = ''], openParts, by, t }) => {
    const settings = await (await openParts()).settings.set(key, undefined, by)
    return { data: { settings }, text: t('cli.settings.changed', { key }) }
  },
}

export const settingsCommands: readonly CliCommand[] = [list, set, reset]
