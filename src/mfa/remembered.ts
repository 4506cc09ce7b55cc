/** Browsers that skip the second factor, for 30 days and one generation of the account. */
import { createHash } from 'node:crypto'
import type { Account } from '../accounts/account.ts'
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction } from '../database/database.ts'
import type { Origin } from '../origin.ts'
import type { Random } from '../random.ts'
import * as repository from './progress-repository.ts'

type Deps = { db: Queryable; transaction: Transaction; audit: Audit; clock: Clock; random: Random }

export const rememberedMs = 30 * 24 * 60 * 60_000

export const rememberedDigest = (token: string): Buffer =>
  createHash('sha256').update(`latchkey remembered\0${token}`).digest()

export type RememberedBrowsers = ReturnType<typeof createRememberedBrowsers>

export function createRememberedBrowsers({ db, transaction, audit, clock, random }: Deps) {
  async function isRemembered({ id, generation }: Account, token: string | undefined): Promise<boolean> {
    if (token === undefined) return false
    return repository.isRemembered(db, { accountId: id, generation, digest: rememberedDigest(token), now: clock.now() })
  }

  return {
    isRemembered,

    /**
     * Remembers this browser for 30 days. Returns a new token for its cookie, or undefined when the
     * account was reset after the sign-in began.
     */
    remember: async (
      { id, generation }: Pick<Account, 'id' | 'generation'>,
      by: Readonly<{ clientId?: string; origin: Origin }>,
    ) => {
      const token = random.token()
      const at = clock.now()
      const row = { accountId: id, generation, digest: rememberedDigest(token), at, expiresAt: at + rememberedMs }
      return transaction(async (tx) => {
        if (!(await repository.insertRemembered(tx, row))) return undefined
        await audit.recordOwn(tx, { ...by, action: 'factor.browser_remembered', accountId: id })
        return { token, lifetimeMs: rememberedMs }
      })
    },

    /** The number of browsers that skip the second factor of this account. */
    count: (accountId: string): Promise<number> => repository.countRemembered(db, accountId, clock.now()),

    /** Ends this for every browser of the account. */
    clear: (accountId: string, origin: Origin): Promise<void> =>
      transaction(async (tx) => {
        if ((await repository.deleteRememberedBrowsers(tx, accountId)) === 0) return
        await audit.recordOwn(tx, { action: 'factor.browsers_forgotten', accountId, origin })
      }),
  }
}
