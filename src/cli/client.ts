/** `latchkey client`: the applications that may request tokens. */
import { clientDocument } from '../clients/document.ts'
import { clientNotFound } from '../clients/errors.ts'
import type { Client } from '../clients/service.ts'
import type { Parts } from '../compose/parts.ts'
import { addClient } from './client-add.ts'
import { readSecret, secretOptions, shown } from './client-secret.ts'
import type { CliCommand } from './command.ts'
import { durationMalformed } from './errors.ts'
import { confirm, isInteractive } from './input.ts'
import { table } from './output.ts'
import { stateOf } from './state.ts'

const clientId = { syntax: '<client-id>', text: 'cli.client.id' }
async function getClient(clients: Parts['clients'], id: string): Promise<Client> {
  const found = await clients.findById(id)
  if (!found) throw clientNotFound({ params: { clientId: id } })
  return found
}

const list: CliCommand = {
  name: 'client list',
  about: 'cli.client.list.about',
  examples: ['latchkey client list', 'latchkey client list --json'],
  run: async ({ openParts, t }) => {
    const found = await (await openParts()).clients.list()
    const head = [
      t('cli.columns.id'),
      t('cli.columns.name'),
      t('cli.columns.kind'),
      t('cli.columns.redirectUris'),
      t('cli.columns.state'),
    ]
    const rows = found.map(({ clientId: id, kind, metadata, isDisabled }) => [
      id,
      metadata.client_name,
      kind,
      metadata.redirect_uris,
      stateOf(isDisabled, t),
    ])
    return { data: { clients: found.map(clientDocument) }, text: table(head, rows) }
  },
}

const show: CliCommand = {
  name: 'client show',
  about: 'cli.client.show.about',
  arguments: [clientId],
  examples: ['latchkey client show demo-web'],
  run: async ({ args: [id = ''], openParts, t }) => {
    const client = await getClient((await openParts()).clients, id)
    return shown({ client, secret: undefined }, t)
  },
}

const remove: CliCommand = {
  name: 'client remove',
  about: 'cli.client.remove.about',
  arguments: [clientId],
  options: [{ flags: '--yes', text: 'cli.yes' }],
  examples: ['latchkey client remove demo-web --yes'],
  run: async (call) => {
    const { args, options, io, openParts, by, t } = call
    const [id = ''] = args
    const { clients } = await openParts()
    const { metadata } = await getClient(clients, id)
    const question = t('cli.client.confirmRemoval', { id, name: metadata.client_name })
    const isSure = options.yes === true || !isInteractive(io) || (await confirm(call, question))
    if (!isSure) return { data: { removed: null }, text: t('cli.unchanged') }
    await clients.remove(id, by)
    return { data: { removed: id }, text: t('cli.removed', { id }) }
  },
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `90s`, `30m`, `24h`, `7d` in seconds; undefined is 0. Throws `duration_malformed`. */
function readDuration(text: unknown): number {
  if (text === undefined) return 0
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(String(text)) ?? []
  const seconds = unitSeconds[unit]
  if (seconds === undefined) throw durationMalformed({ params: { text: String(text) } })
  return Number(count) * seconds
}

const rotateSecret: CliCommand = {
  name: 'client rotate-secret',
  about: 'cli.client.rotateSecret.about',
  arguments: [clientId],
  options: [{ flags: '--keep-old <time>', text: 'cli.client.keepOld' }, ...secretOptions],
  examples: ['latchkey client rotate-secret demo-web', 'latchkey client rotate-secret demo-web --keep-old 24h --json'],
  run: async (call) => {
    const secret = await readSecret(call)
    const overlapSeconds = readDuration(call.options.keepOld)
    const { clients } = await call.openParts()
    return shown(
      await clients.rotateSecret(
        call.args[0] ?? '',
        { ...(secret === undefined ? {} : { secret }), overlapSeconds },
        call.by,
      ),
      call.t,
    )
  },
}

const disable: CliCommand = {
  name: 'client disable',
  about: 'cli.client.disable.about',
  arguments: [clientId],
  examples: ['latchkey client disable demo-web'],
  run: async ({ args: [id = ''], openParts, by, t }) => {
    await (await openParts()).clients.disable(id, by)
    return { data: { client_id: id, disabled: true }, text: t('cli.isDisabled', { id }) }
  },
}

const enable: CliCommand = {
  name: 'client enable',
  about: 'cli.client.enable.about',
  arguments: [clientId],
  examples: ['latchkey client enable demo-web'],
  run: async ({ args: [id = ''], openParts, by, t }) => {
    await (await openParts()).clients.enable(id, by)
    return { data: { client_id: id, disabled: false }, text: t('cli.isEnabled', { id }) }
  },
}

export const clientCommands: readonly CliCommand[] = [addClient, list, show, remove, rotateSecret, disable, enable]
