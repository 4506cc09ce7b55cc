/**
 * The condition for the writes of a browser's request: session, account and interaction are
 * unchanged since it began.
 */
import { mapKey } from './digest.ts'
import type { Upsert } from './model.ts'
import type { BrowserCondition } from './postgres/writes.ts'
import type { Unit } from './unit-of-work.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * The account and generation in which the request may sign in or continue its session; undefined
 * without a sign-in.
 */
function accountOf(unit: Unit, accountId: string | undefined): BrowserCondition['account'] {
  // Account ids are UUIDs. Another text matches no row, and would fail the statement for the other
  // requests in it.
  if (accountId === undefined || !uuid.test(accountId)) return undefined
  if (unit.signIn?.accountId === accountId) return { id: accountId, generation: unit.signIn.generation }
  const { interaction, session } = unit
  const isUsedUp = interaction !== undefined && unit.destroyed.has(mapKey(interaction.id))
  if (isUsedUp && interaction.accountId === accountId) return { id: accountId, generation: interaction.generation }
  if (session?.accountId === accountId) return { id: accountId, generation: session.generation }
  return undefined
}

/** The request resumes an interaction by destroying it, and answers an interaction by saving it. */
function outcomeOf({ outcome, decision, destroyed, upserts }: Unit): BrowserCondition['outcome'] {
  if (outcome && destroyed.has(mapKey(outcome.interaction))) return { key: outcome.key, response: outcome.response() }
  if (decision && upserts.has(mapKey(decision.interaction))) return { key: decision.key, answer: decision.answer }
  return undefined
}

/**
 * `rows` are written only while the session's row is unchanged and the account has the generation
 * of the sign-in. A request in flight cannot restore a session that was ended or renamed.
 */
export function browserCondition(unit: Unit, rows: readonly Upsert[]): BrowserCondition | undefined {
  const saved = rows.find(({ model }) => model === 'Session')
  const isEndedHere = unit.isSessionDestroyed && !saved
  const session = isEndedHere ? undefined : unit.session
  const outcome = outcomeOf(unit)
  if (!outcome && (rows.length === 0 || isEndedHere)) return undefined
  const account = accountOf(unit, saved ? saved.accountId : session?.accountId)
  if (!session && !account && !outcome) return undefined
  // Saving an interaction signs no account in. The request that resumes it must meet the whole
  // condition.
  if (unit.destroyed.size === 0 && rows.every(({ model }) => model === 'Interaction')) {
    return outcome && { kind: 'browser', outcome }
  }
  return {
    kind: 'browser',
    ...(account && { account }),
    ...(session && { session: { key: session.key, id: session.id } }),
    ...(outcome && { outcome }),
  }
}
