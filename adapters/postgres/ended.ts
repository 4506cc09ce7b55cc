/**
 * In SQL: whether anything that a row belongs to has ended since its issue. Every statement that
 * reads or spends a row checks this.
 */
import type { EndKind } from '../digest.ts'
import { endKey, endPrefix } from '../digest.ts'

// Session uids and grant ids are never reused, so their end applies to all rows with them.
export const permanentEnd = Number.MAX_SAFE_INTEGER

// The number of the model Interaction: it does not end when the account's consent for the client
// ends.
const interaction = 7

const everything = `'\\x${endKey('everything', '').toString('hex')}'::bytea`

// An end covers rows before its millisecond: its own transaction removed those of the same one.
// An end of everything is inclusive.
const lastEndedMs = `e.ended_at - (e.key <> ${everything})::int`

const literal = (bytes: Buffer): string => `'\\x${bytes.toString('hex')}'::bytea`
const keyOf = (kind: EndKind, text: string): string =>
  `sha256(${literal(endPrefix(kind))} || convert_to(${text}, 'UTF8'))`

/** The keys of everything that the row `a` belongs to, with `more`. */
const endKeys = (a: string, more: string): string => `ARRAY[${everything},
      ${keyOf('account', `${a}.account_id`)}, ${keyOf('client', `${a}.client_id`)},
      CASE WHEN ${a}.model <> ${interaction} THEN ${keyOf('consent', `${a}.account_id || ' ' || ${a}.client_id`)} END,
      ${a}.session_uid, ${a}.uid, coalesce(${a}.grant_key, ${a}.id)${more}]`

/**
 * A lateral table with one row: the latest end of the row `a` (`own`) and of its grant `g`
 * (`of_grant`). Only a permanent end under a grant's key ends the grant itself; a moment ends what
 * it issued.
 */
export const latestEnds = (a: string, g: string): string => `LATERAL (
      SELECT max(${lastEndedMs}) FILTER (WHERE e.key IS DISTINCT FROM ${a}.id OR e.ended_at = ${permanentEnd}) AS own,
        max(${lastEndedMs}) FILTER (WHERE e.key IS DISTINCT FROM ${a}.grant_key OR e.ended_at = ${permanentEnd}) AS of_grant
      FROM artifact_end e WHERE e.key = ANY(${endKeys(a, `, ${g}.session_uid`)}))`

/** A condition: nothing that the row `a` belongs to has ended since its issue. */
export const lives = (a: string): string => `NOT EXISTS (
      SELECT FROM artifact_end e WHERE e.key = ANY(${endKeys(a, '')}) AND ${lastEndedMs} >= ${a}.issued_at
        AND (e.key IS DISTINCT FROM ${a}.id OR e.ended_at = ${permanentEnd}))`
