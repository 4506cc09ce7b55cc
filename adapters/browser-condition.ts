/**
 * The condition under which a browser's request is written: its session, account and interaction
 * are as they were when it began.
 */
import { mapKey } from './digest.ts'
import type { Upsert } from './model.ts'
import type { BrowserCondition } from './postgres/writes.ts'
import type { Unit } from './unit-of-work.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * The account's generation under which the request may sign in or continue its session; undefined
 * without a sign-in.
 */
function accountOf(unit: Unit, accountId: string | undefined): BrowserCondition['account'] {
  // Account ids are UUIDs. Another text names no row, and must not fail the statement that it
  // shares with other requests.
  if (accountId === undefined || !uuid.test(accountId)) return undefined
  if (unit.signIn?.accountId === accountId) return { id: accountId, generation: unit.signIn.generation }
  const { interaction, session } = unit
  const isUsedUp = interaction !== undefined && unit.destroyed.has(mapKey(interaction.id))
  if (isUsedUp && interaction.accountId === accountId) return { id: accountId, generation: interaction.generation }
  if (session?.accountId === accountId) return { id: accountId, generation: session.generation }
  return undefined
}

/**
 * Only a request that uses the interaction up resumes it, and only one that saves it answers it.
 */
function outcomeOf({ outcome, decision, destroyed, upserts }: Unit): BrowserCondition['outcome'] {
  if (outcome && destroyed.has(mapKey(outcome.interaction))) return { key: outcome.key, response: outcome.response() }
  if (decision && upserts.has(mapKey(decision.interaction))) return { key: decision.key, answer: decision.answer }
  return undefined
}

/**
 * `rows` are written only while the session's very row lives, in the account's generation of the
 * sign-in: a request in flight does not bring back a session that was ended or renamed meanwhile.
 */
export function browserCondition(unit: Unit, rows: readonly Upsert[]): BrowserCondition | undefined {
  const saved = rows.find(({ model }) => model === 'Session')
  const isEndedHere = unit.isSessionDestroyed && !saved
  const session = isEndedHere ? undefined : unit.session
  const outcome = outcomeOf(unit)
  if (!outcome && (rows.length === 0 || isEndedHere)) return undefined
  const account = accountOf(unit, saved ? saved.accountId : session?.accountId)
  if (!session && !account && !outcome) return undefined
  // What an interaction saves of itself signs no account in: the request that resumes it meets the
  // whole condition.
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
