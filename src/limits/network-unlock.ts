/** Removes the lock of a network after many wrong passwords. */
import type { Audit, Initiator } from '../audit/service.ts'
import type { Transaction } from '../database/database.ts'
import { networkInvalid } from './errors.ts'
import type { LoginThrottle } from './login-throttle.ts'

type Deps = {
  loginThrottle: Pick<LoginThrottle, 'clearNetworkFailures'>
  /** Normalises an IP address. Undefined for other text. */
  plainIp: (typed: string) => string | undefined
  /** The networks of an IP address that count failures. */
  networksOf: (ip: string) => readonly string[]
  transaction: Transaction
  audit: Audit
}

export function createNetworkUnlock({ loginThrottle, plainIp, networksOf, transaction, audit }: Deps) {
  return {
    /**
     * Deletes the failures of the networks of this IP address.
     * Returns the networks and whether there were failures. Throws `network_invalid`.
     */
    unlock: async (typed: string, by: Initiator) => {
      const ip = plainIp(typed)
      if (ip === undefined) throw networkInvalid()
      const networks = networksOf(ip)
      const hadFailures = await transaction(async (tx) => {
        const forgotten = await loginThrottle.clearNetworkFailures(tx, ip)
        await audit.record(tx, {
          action: 'network.unlocked',
          by,
          subject: { type: 'network', id: networks[0] ?? ip },
          outcome: 'success',
          details: { networks },
        })
        return forgotten
      })
      return { ip, networks, hadFailures }
    },
  }
}
