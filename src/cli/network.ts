/** `latchkey network`: networks that are locked after too many wrong passwords. */
import type { CliCommand } from './command.ts'

const unlock: CliCommand = {
  name: 'network unlock',
  about: 'cli.network.unlock.about',
  arguments: [{ syntax: '<ip>', text: 'cli.network.ip' }],
  examples: ['latchkey network unlock 203.0.113.7', 'latchkey network unlock 2001:db8::7'],
  run: async ({ args: [ip = ''], openParts, by, t }) => {
    const { networks } = await openParts()
    const { ip: plain, networks: counted, hadFailures } = await networks.unlock(ip, by)
    const params = { ip: plain, networks: counted.join(', ') }
    return {
      data: { ip: plain, networks: counted, had_failures: hadFailures },
      text: t(hadFailures ? 'cli.network.isUnlocked' : 'cli.network.wasFree', params),
    }
  },
}

export const networkCommands: readonly CliCommand[] = [unlock]
