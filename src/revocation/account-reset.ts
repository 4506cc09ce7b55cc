/**
 * The reset of an account: a new generation. Only the access of the resetting request is preserved.
 */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { AccountReset, AccountResetResult } from '../authentication/account-reset-types.ts'
import type { Tx } from '../database/database.ts'
import type { Random } from '../random.ts'
import type { Endings } from './endings.ts'

type Deps = {
  records: {
    raiseGeneration: (tx: Tx, accountId: string) => Promise<number>
    /** Throws `account_reset`. */
    refuseReset: () => never
  }
  artifacts: Pick<ArtifactStore, 'endAccount' | 'renameSession' | 'hasSession'>
  endings: Pick<Endings, 'run'>
  random: Random
}

export function createAccountReset({ records, artifacts, endings, random }: Deps): AccountReset {
  return async (tx, accountId, preserved = {}) => {
    const generation = await records.raiseGeneration(tx, accountId)
    let session: AccountResetResult['session']
    // The session is renamed before the rest ends, so that nothing more is written under the old
    // id.
    if (preserved.session) {
      session = await artifacts.renameSession(tx, preserved.session, { accountId, generation, id: random.token() })
      // Another request, perhaps an attacker's, has renamed it: then the session ends with the
      // others.
      if (!session && !(await artifacts.hasSession(tx, preserved.session.uid))) records.refuseReset()
    }
    await artifacts.endAccount(tx, accountId, preserved.session && session ? { sessionUid: preserved.session.uid } : {})
    const end: AccountResetResult = {
      generation,
      ...(session && { session }),
      // The tokens change, because an attacker may have a copy of the old cookies.
      ...(preserved.knownBrowser && { knownToken: random.token() }),
      ...(preserved.rememberedToken !== undefined && { rememberedToken: random.token() }),
    }
    await endings.run('accountReset', tx, accountId, { preserved, end })
    return end
  }
}

type HandoverDeps = { resetAccount: AccountReset; endings: Pick<Endings, 'run'> }

/**
 * Ends everything that another user may have set up in the account, in the caller's transaction.
 */
export function createHandover({ resetAccount, endings }: HandoverDeps) {
  return async (tx: Tx, accountId: string): Promise<void> => {
    await resetAccount(tx, accountId)
    await endings.run('accountHandover', tx, accountId)
  }
}
