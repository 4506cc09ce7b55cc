/** The reset of an account: a new generation, under which only the request that asked for it goes on. */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { AccountRecords } from '../accounts/records.ts'
import type { AccountEnd, EndAccount, EndsWithAccount } from '../authentication/account-reset.ts'
import type { Random } from '../random.ts'

type Deps = {
  records: Pick<AccountRecords, 'raiseGeneration' | 'refuseReset'>
  artifacts: Pick<ArtifactStore, 'endAccount' | 'renameSession' | 'hasSession'>
  /** Links, sign-ins under way, remembered and known browsers. */
  endings: readonly EndsWithAccount[]
  random: Random
}

export function createAccountEnd({ records, artifacts, endings, random }: Deps): EndAccount {
  return async (tx, accountId, kept = {}) => {
    const generation = await records.raiseGeneration(tx, accountId)
    let session: AccountEnd['session']
    // The session is renamed before the rest ends, so that nothing more is written under the old id.
    if (kept.session) {
      session = await artifacts.renameSession(tx, kept.session, { accountId, generation, id: random.token() })
      // Another request has renamed it, perhaps a thief's: it ends with the others, and the change is made all the same.
      if (!session && !(await artifacts.hasSession(tx, kept.session.uid))) records.refuseReset()
    }
    await artifacts.endAccount(tx, accountId, kept.session && session ? { sessionUid: kept.session.uid } : {})
    const end: AccountEnd = {
      generation,
      ...(session && { session }),
      // A copy of the old cookies, which a thief may have, opens nothing more.
      ...(kept.knownBrowser && { knownToken: random.token() }),
      ...(kept.rememberedToken !== undefined && { rememberedToken: random.token() }),
    }
    for (const ending of endings) await ending(tx, accountId, { kept, end })
    return end
  }
}
