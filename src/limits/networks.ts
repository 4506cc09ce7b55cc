/** Lifts the lock that many wrong passwords have put on a network. */
import type { Audit, Initiator } from '../audit/service.ts'
import type { Transaction } from '../database/database.ts'
import { networkInvalid } from './errors.ts'
import type { Guesses } from './guesses.ts'

type Deps = {
  guesses: Pick<Guesses, 'forgetNetwork'>
  /** The one spelling of an address; undefined for what is none. */
  plainAddress: (typed: string) => string | undefined
  /** The networks of an address by which failures are counted. */
  prefixesOf: (address: string) => readonly string[]
  transaction: Transaction
  audit: Audit
}

export function createNetworks({ guesses, plainAddress, prefixesOf, transaction, audit }: Deps) {
  return {
    /**
     * Wrong passwords from the networks of this address count no longer.
     * Gives its networks and whether anything was counted. Throws `network_invalid`.
     */
    unlock: async (typed: string, by: Initiator) => {
      const address = plainAddress(typed)
      if (address === undefined) throw networkInvalid()
      const networks = prefixesOf(address)
      const hadFailures = await transaction(async (tx) => {
        const forgotten = await guesses.forgetNetwork(tx, address)
        await audit.record(tx, {
          action: 'network.unlocked',
          by,
          subject: { type: 'network', id: networks[0] ?? address },
          outcome: 'success',
          details: { networks },
        })
        return forgotten
      })
      return { address, networks, hadFailures }
    },
  }
}
