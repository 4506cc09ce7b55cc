/** The reset of an account: a new generation, under which only the request that asked for it goes on. */
import type { Context } from 'koa'
import type { ArtifactStore } from '../../adapters/index.ts'
import type { Tx } from '../database/database.ts'
import type { Random } from '../random.ts'
import type { Ending, Endings } from './endings.ts'

/** What the request that resets an account goes on with. Tokens are those of the browser's cookies: it gets new ones. */
export type KeptAccess = Readonly<{
  /** The session in which the request was sent: its uid, and the id by which it was loaded. */
  session?: Readonly<{ uid: string; id: string }>
  /** That the browser is known from now on, under this email address. */
  knownBrowser?: Readonly<{ email: string }>
  /** The token of the cookie that spares the browser the second factor. */
  rememberedToken?: string
}>

/** What the browser goes on with: `session` is the kept one under its new id, `expiresAt` in milliseconds; the tokens are new. */
export type AccountEnd = Readonly<{
  generation: number
  session?: Readonly<{ id: string; expiresAt: number }>
  knownToken?: string
  rememberedToken?: string
}>

/** Gives the browser the cookies with which it goes on, once the reset is committed. */
export type CarryOn = (ctx: Context, end: AccountEnd) => void

/** Within the caller's transaction, which holds the account's row. Throws `account_reset` when the session to be kept is over. */
export type EndAccount = (tx: Tx, accountId: string, kept?: KeptAccess) => Promise<AccountEnd>

/** What belongs to an account in one feature, and ends with the generation. */
export type EndsWithAccount = Ending<'accountReset'>

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
    await endings.run('accountReset', tx, accountId, { kept, end })
    return end
  }
}

type HandoverDeps = { endAccount: EndAccount; endings: Pick<Endings, 'run'> }

/** Ends everything that another person could have set up in the account, in the caller's transaction. */
export function createHandover({ endAccount, endings }: HandoverDeps) {
  return async (tx: Tx, accountId: string): Promise<void> => {
    await endAccount(tx, accountId)
    await endings.run('accountHandover', tx, accountId)
  }
}
