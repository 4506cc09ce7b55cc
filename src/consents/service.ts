/**
 * Consents: what an account has allowed a client. Owns `consent`; the engine's grants are built
 * from it. `routes.ts` decides which scopes the page asks for.
 */
import type { Audit } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { RowCache } from '../database/row-cache.ts'
import type { Origin } from '../origin.ts'
import {
  deleteConsent,
  deleteConsents,
  findConsent,
  findConsentForUpdate,
  listConsents,
  putConsent,
} from './repository.ts'

/** OpenID Connect scopes and claims, and the scopes of each resource server by its identifier. */
export type ConsentGrant = {
  scopes: readonly string[]
  claims: readonly string[]
  resources: Readonly<Record<string, readonly string[]>>
}

/** Times are in milliseconds since the epoch. */
export type Consent = ConsentGrant & { grantedAt: number; updatedAt: number }

type Deps = {
  db: Queryable
  transaction: Transaction
  /** Rows by account: `createRowCache({ table: 'consent', load: loadConsents(db) })`. */
  cache: RowCache<ReadonlyMap<string, Consent>>
  audit: Audit
  clock: Clock
}

export type Consents = ReturnType<typeof createConsents>

type Answer = { accountId: string; clientId: string; origin: Origin }

/** Decides the interaction within the transaction. Gives whether this is its first answer. */
type Decide = (tx: Tx) => Promise<boolean>

const nothing: ConsentGrant = { scopes: [], claims: [], resources: {} }

const union = (left: readonly string[] = [], right: readonly string[] = []): string[] => [
  ...new Set([...left, ...right]),
]

/** Whether `more` is allowed already. */
const isWithin = (more: ConsentGrant, allowed: ConsentGrant): boolean =>
  more.scopes.every((scope) => allowed.scopes.includes(scope)) &&
  more.claims.every((claim) => allowed.claims.includes(claim)) &&
  Object.entries(more.resources).every(([identifier, names]) =>
    names.every((name) => allowed.resources[identifier]?.includes(name)),
  )

/** The union of `before` and `more`. */
function widen(before: ConsentGrant, more: ConsentGrant): ConsentGrant {
  const identifiers = union(Object.keys(before.resources), Object.keys(more.resources))
  return {
    scopes: union(before.scopes, more.scopes),
    claims: union(before.claims, more.claims),
    resources: Object.fromEntries(
      identifiers.map((identifier) => [identifier, union(before.resources[identifier], more.resources[identifier])]),
    ),
  }
}

/** Loads an account's consents for the row cache. An account without consents is not cached. */
export const loadConsents =
  (db: Queryable) =>
  async (accountId: string): Promise<ReadonlyMap<string, Consent> | undefined> => {
    const consents = await listConsents(db, accountId)
    return consents.size > 0 ? consents : undefined
  }

export function createConsents({ db, transaction, cache, audit, clock }: Deps) {
  const record = (tx: Tx, action: 'consent.granted' | 'consent.refused', answer: Answer, allowed: ConsentGrant) =>
    audit.record(tx, {
      action,
      by: { actor: { type: 'account', id: answer.accountId }, origin: answer.origin },
      subject: { type: 'client', id: answer.clientId },
      clientId: answer.clientId,
      outcome: action === 'consent.granted' ? 'success' : 'failure',
      details: { scopes: [...allowed.scopes], claims: [...allowed.claims], resources: Object.keys(allowed.resources) },
    })

  /**
   * The consent of the account to the client. The cache is used only if it covers `asked`: another
   * process may have saved an answer a moment ago.
   */
  async function find(accountId: string, clientId: string, asked: ConsentGrant): Promise<Consent | undefined> {
    const known = (await cache.get(accountId))?.get(clientId)
    return known && isWithin(asked, known) ? known : findConsent(db, { accountId, clientId })
  }

  return {
    find,

    /** The consents of the account, by client. */
    list: (accountId: string): Promise<Map<string, Consent>> => listConsents(db, accountId),

    /**
     * Adds `more` to the earlier consent. An answer that adds nothing changes nothing. In the same
     * transaction, `decide` returns whether this is the first answer, or throws.
     */
    grant: async (answer: Answer, more: ConsentGrant, decide: Decide = async () => true): Promise<void> => {
      // Not from the cache: a revoked consent may still be there, and this answer would not be
      // saved.
      const known = await findConsent(db, answer)
      if (known && isWithin(more, known)) return
      await transaction(async (tx) => {
        if (!(await decide(tx))) return
        const before = (await findConsentForUpdate(tx, answer)) ?? nothing
        await putConsent(tx, answer, widen(before, more), clock.now())
        await record(tx, 'consent.granted', answer, more)
      })
    },

    /**
     * Deletes the account's consent to the client, in the caller's transaction. Gives whether there
     * was one.
     */
    delete: (tx: Tx, accountId: string, clientId: string): Promise<boolean> =>
      deleteConsent(tx, { accountId, clientId }),

    /** Deletes the account's consents. The caller ends the tokens in the same transaction. */
    deleteAll: async (tx: Tx, accountId: string): Promise<void> => {
      await deleteConsents(tx, accountId)
    },

    /** Records that the account refused, if `decide` allows it. Its earlier consent stays. */
    refuse: (answer: Answer, decide: Decide): Promise<void> =>
      transaction(async (tx) => {
        if (await decide(tx)) await record(tx, 'consent.refused', answer, nothing)
      }),
  }
}
