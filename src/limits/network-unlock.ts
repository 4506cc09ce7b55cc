/** Lifts the lock that many wrong passwords have put on a network. */
import type { Audit, Initiator } from '../audit/service.ts'
import type { Transaction } from '../database/database.ts'
import { networkInvalid } from './errors.ts'
import type { LoginThrottle } from './login-throttle.ts'

type Deps = {
  loginThrottle: Pick<LoginThrottle, 'clearNetworkFailures'>
  /** The one spelling of an address; undefined for what is none. */
  plainIp: (typed: string) => string | undefined
  /** The networks of an address by which failures are counted. */
  prefixesOf: (ip: string) => readonly string[]
  transaction: Transaction
  audit: Audit
}

export function createNetworkUnlock({ loginThrottle, plainIp, prefixesOf, transaction, audit }: Deps) {
  return {
    /**
     * Wrong passwords from the networks of this address count no longer.
     * Gives its networks and whether anything was counted. Throws `network_invalid`.
     */
    unlock: async (typed: string, by: Initiator) => {
      const ip = plainIp(typed)
      if (ip === undefined) throw networkInvalid()
      const networks = prefixesOf(ip)
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
