/**
 * What ends with an account, a client or a session: one list for each cause. The feature that owns
 * the data registers its ending.
 */
import type { EndedSession } from '../../adapters/revocations.ts'
import type { AccountResetResult, PreservedAccess } from '../authentication/account-reset-types.ts'
import type { Tx } from '../database/database.ts'

/** Names of the endings of each cause, in the order in which they run. */
export const endingLists = {
  /** The account begins a new generation. Tokens and sessions end in `account-reset.ts`. */
  accountReset: ['links', 'factorResets', 'signIns', 'knownBrowsers'],
  /** The account is signed out everywhere. Tokens and sessions end in `service.ts`. */
  accountSignOut: ['signIns'],
  /** The account is given to the owner of its email: what another user has set up ends as well. */
  accountHandover: ['consents', 'factors'],
  /** The account loses its email. */
  emailLoss: ['links', 'knownBrowsers'],
  /** The client is disabled or removed. */
  clientEnd: ['tokens'],
  /** Browser sessions end, for any reason. */
  sessionEnd: ['logoutDeliveries'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type Cause = keyof typeof endingLists
export type EndingName<C extends Cause> = (typeof endingLists)[C][number]

/** The arguments of an ending, after the transaction. */
type EndingArguments = {
  accountReset: [accountId: string, next: Readonly<{ preserved: PreservedAccess; end: AccountResetResult }>]
  accountSignOut: [accountId: string]
  accountHandover: [accountId: string]
  emailLoss: [accountId: string]
  clientEnd: [clientId: string]
  sessionEnd: [sessions: readonly EndedSession[]]
}

/** Runs in the transaction of its cause. */
export type Ending<C extends Cause> = (tx: Tx, ...what: EndingArguments[C]) => Promise<unknown>

type Registered = { [C in Cause]: Map<EndingName<C>, Ending<C>> }

export type Endings = ReturnType<typeof createEndings>

const causes = Object.keys(endingLists) as Cause[]

export function createEndings() {
  const registered = Object.fromEntries(causes.map((cause) => [cause, new Map()])) as Registered

  return {
    register: <C extends Cause>(cause: C, name: EndingName<C>, ending: Ending<C>): void => {
      if (registered[cause].has(name)) throw new TypeError(`the ending ${cause}.${name} is registered twice`)
      registered[cause].set(name, ending)
    },

    /**
     * Runs every ending of the cause, one after another. Rejects when one of them is not
     * registered.
     */
    run: async <C extends Cause>(cause: C, tx: Tx, ...what: EndingArguments[C]): Promise<void> => {
      for (const name of endingLists[cause] as readonly EndingName<C>[]) {
        const ending = registered[cause].get(name)
        if (!ending) throw new TypeError(`the ending ${cause}.${name} is not registered`)
        await ending(tx, ...what)
      }
    },

    /** Throws a TypeError that names each ending without a registration, as `cause.name`. */
    refuseMissing: (): void => {
      const missing = causes.flatMap((cause) => {
        const names: ReadonlyMap<string, unknown> = registered[cause]
        return endingLists[cause].filter((name) => !names.has(name)).map((name) => `${cause}.${name}`)
      })
      if (missing.length > 0) throw new TypeError(`no feature registers ${missing.join(', ')}`)
    },
  }
}
