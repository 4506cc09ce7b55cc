/** The reset of an account: a new generation, under which only the request that asked for it goes on. */
import type { ArtifactStore } from '../../adapters/index.ts'
import type { AccountRecords } from '../accounts/records.ts'
import type { Tx } from '../database/database.ts'
import type { Random } from '../random.ts'

/** What the request that resets an account goes on with. Tokens are those of the browser's cookies. */
export type KeptAccess = Readonly<{
  /** The session in which the request was sent: its uid, and the id by which it was loaded. */
  session?: Readonly<{ uid: string; id: string }>
  /** The device cookie's token, and the email address under which the browser is known from now on. */
  knownBrowser?: Readonly<{ token: string; email: string }>
  /** The token of the cookie that spares the browser the second factor. */
  rememberedToken?: string
}>

/** `session` is the kept one under its new id; `expiresAt` in milliseconds. */
export type AccountEnd = Readonly<{
  generation: number
  session?: Readonly<{ id: string; expiresAt: number }>
}>

/** Within the caller's transaction, which holds the account's row. Throws `account_reset` when the session to be kept is over. */
export type EndAccount = (tx: Tx, accountId: string, kept?: KeptAccess) => Promise<AccountEnd>

/** What belongs to a person in one feature, and ends with the generation. */
export type EndsWithAccount = (
  tx: Tx,
  accountId: string,
  next: Readonly<{ generation: number; kept: KeptAccess }>,
) => Promise<void>

type Deps = {
  records: Pick<AccountRecords, 'raiseGeneration' | 'refuse'>
  artifacts: Pick<ArtifactStore, 'endAccount' | 'renameSession'>
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
      if (!session) records.refuse()
    }
    await artifacts.endAccount(tx, accountId, kept.session ? { sessionUid: kept.session.uid } : {})
    for (const end of endings) await end(tx, accountId, { generation, kept })
    return session ? { generation, session } : { generation }
  }
}
