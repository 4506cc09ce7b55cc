/**
 * `latchkey revoke`: ends what was issued for a user, client, session or grant, or until a moment.
 */
import { clientNotFound } from '../clients/errors.ts'
import type { Call, CliCommand } from './command.ts'
import { revocationTargets } from './errors.ts'
import { getAccount } from './user.ts'

const targets = ['user', 'client', 'session', 'grant', 'all'] as const

/** A date and time with its zone (ISO 8601), or `now`. NaN when it is neither. */
function readTime(text: unknown): number | 'now' {
  if (text === 'now') return text
  const isTimestamp =
    typeof text === 'string' && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(text)
  return isTimestamp ? Date.parse(text) : Number.NaN
}

async function end({ options, openParts, by }: Call, target: (typeof targets)[number]) {
  const { revocation, accounts, clients } = await openParts()
  const named = String(options[target])
  switch (target) {
    case 'user': {
      const { id, email } = await getAccount(accounts, named)
      return { ended: email, rows: await revocation.revokeAccount(id, by) }
    }
    case 'client': {
      const client = await clients.findById(named)
      if (!client) throw clientNotFound({ params: { clientId: named } })
      return { ended: named, rows: await revocation.revokeClient(named, by) }
    }
    case 'session':
      return { ended: named, rows: await revocation.revokeSession(named, by) }
    case 'grant':
      return { ended: named, rows: await revocation.revokeGrant(named, by) }
    case 'all': {
      const { beforeMs, rows } = await revocation.revokeAll(readTime(options.before), by)
      return { ended: new Date(beforeMs).toISOString(), rows }
    }
  }
}

export const revoke: CliCommand = {
  name: 'revoke',
  about: 'cli.revoke.about',
  options: [
    { flags: '--user <email-or-id>', text: 'cli.revoke.user' },
    { flags: '--client <client-id>', text: 'cli.revoke.client' },
    { flags: '--session <handle>', text: 'cli.revoke.session' },
    { flags: '--grant <handle>', text: 'cli.revoke.grant' },
    { flags: '--all', text: 'cli.revoke.all' },
    { flags: '--before <moment>', text: 'cli.revoke.before' },
  ],
  examples: [
    'latchkey revoke --user alice@example.com',
    'latchkey revoke --client demo-machine',
    'latchkey revoke --all --before 2026-11-26T12:00:00Z',
  ],
  run: async (call) => {
    const named = targets.filter((target) => call.options[target] !== undefined)
    const [target] = named
    // Only `all` takes `--before`, and requires it.
    const isWhole = (target === 'all') === (call.options.before !== undefined)
    if (target === undefined || named.length > 1 || !isWhole) throw revocationTargets()
    const { ended, rows } = await end(call, target)
    return { data: { target, ended, rows }, text: call.t(`cli.revoke.ended.${target}`, { ended }) }
  },
}
