/**
 * `latchkey logout-deliveries`: which relying parties received a logout notification, and which did
 * not.
 */
import { deliveryStates } from '../logout/service.ts'
import type { CliCommand } from './command.ts'
import { table } from './output.ts'

const list: CliCommand = {
  name: 'logout-deliveries list',
  about: 'cli.logoutDeliveries.list.about',
  options: [
    { flags: '--client <client-id>', text: 'cli.logoutDeliveries.client' },
    { flags: '--state <state>', text: 'cli.logoutDeliveries.state', choices: deliveryStates },
  ],
  examples: ['latchkey logout-deliveries list', 'latchkey logout-deliveries list --state given_up --json'],
  run: async ({ options, openParts, t }) => {
    const found = await (await openParts()).logout.list({
      ...(typeof options.client === 'string' && { clientId: options.client }),
      ...(options.state !== undefined && { state: options.state as (typeof deliveryStates)[number] }),
    })
    const data = found.map(({ id, clientId, state, attempts, lastFailure, createdAt, updatedAt }) => ({
      id,
      client: clientId,
      state,
      attempts,
      last_failure: lastFailure ?? null,
      created_at: new Date(createdAt).toISOString(),
      updated_at: new Date(updatedAt).toISOString(),
    }))
    const head = ['id', 'client', 'state', 'attempts', 'failure', 'since'].map((key) => t(`cli.columns.${key}`))
    const rows = data.map((one) => [one.id, one.client, one.state, one.attempts, one.last_failure, one.created_at])
    return { data: { logout_deliveries: data }, text: table(head, rows) }
  },
}

const retry: CliCommand = {
  name: 'logout-deliveries retry',
  about: 'cli.logoutDeliveries.retry.about',
  arguments: [{ syntax: '<id>', text: 'cli.logoutDeliveries.id' }],
  examples: ['latchkey logout-deliveries retry 0190b0a6-5d3e-7c41-a9a8-3f6f9c2d7b11'],
  run: async ({ args: [id = ''], openParts, by, t }) => {
    await (await openParts()).logout.retry(id, by)
    return { data: { id, state: 'waiting' }, text: t('cli.logoutDeliveries.retried', { id }) }
  },
}

export const logoutDeliveryCommands: readonly CliCommand[] = [list, retry]
