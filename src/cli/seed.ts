/** `latchkey seed FILE`: creates or changes users, clients and APIs as the file says. */
import type { CliCommand } from './command.ts'
import { readInput } from './input.ts'
import { printable, table } from './output.ts'

export const seed: CliCommand = {
  name: 'seed',
  about: 'cli.seed.about',
  arguments: [{ syntax: '<file>', text: 'cli.seed.file' }],
  options: [{ flags: '--only-missing', text: 'cli.seed.onlyMissing' }],
  examples: ['latchkey seed seeds/development.yaml', 'latchkey seed - --json < people.yaml'],
  run: async ({ args, options, io, openParts, by, t }) => {
    const content = await readInput(io, args[0] ?? '')
    const parts = await openParts()
    const { entries } = await parts.seed.apply(content, { by, isOnlyMissing: options.onlyMissing === true })
    const head = [t('cli.columns.type'), t('cli.columns.id'), t('cli.columns.result'), t('cli.columns.fields')]
    // For a new entry every field differs, so the fields are not listed.
    const rows = entries.map(({ type, id, result, fields }) => [type, id, result, result === 'changed' ? fields : []])
    const secrets = entries.flatMap(({ id, secret }) =>
      secret === undefined ? [] : [printable(t('cli.client.secretOf', { id, secret }))],
    )
    return { data: { entries }, text: [table(head, rows), ...secrets].join('\n') }
  },
}
