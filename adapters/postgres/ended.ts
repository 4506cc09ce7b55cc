/** In SQL: whether what a row hangs from has ended since it was issued. Every statement that reads or spends a row asks this. */
import type { EndKind } from '../digest.ts'
import { endKey, endPrefix } from '../digest.ts'

// A session's uid and a grant's id never come back, so what still names them is over, whenever it was issued.
export const noExpiry = Number.MAX_SAFE_INTEGER

// The number of the model Interaction: an interaction of a person with a client does not end with what was allowed before.
const interaction = 7

const everything = `'\\x${endKey('everything', '').toString('hex')}'::bytea`

// Of one millisecond, rows of the end's own transaction are gone; what is issued after it lives. A moment for everything is inclusive.
const moment = `e.ended_at - (e.key <> ${everything})::int`

const literal = (bytes: Buffer): string => `'\\x${bytes.toString('hex')}'::bytea`
const keyOf = (kind: EndKind, text: string): string =>
  `sha256(${literal(endPrefix(kind))} || convert_to(${text}, 'UTF8'))`

/** The keys of all that the row `a` hangs from, `more` among them. */
const endKeys = (a: string, more: string): string => `ARRAY[${everything},
      ${keyOf('account', `${a}.account_id`)}, ${keyOf('client', `${a}.client_id`)},
      CASE WHEN ${a}.model <> ${interaction} THEN ${keyOf('consent', `${a}.account_id || ' ' || ${a}.client_id`)} END,
      ${a}.session_uid, ${a}.uid, coalesce(${a}.grant_key, ${a}.id)${more}]`

/**
 * A lateral table of one row: when the latest end of the row `a` was (`own`), and that of its grant `g` (`of_grant`). A moment under the
 * key of a grant ends what was issued from it, and the grant itself only for ever.
 */
export const latestEnds = (a: string, g: string): string => `LATERAL (
      SELECT max(${moment}) FILTER (WHERE e.key IS DISTINCT FROM ${a}.id OR e.ended_at = ${noExpiry}) AS own,
        max(${moment}) FILTER (WHERE e.key IS DISTINCT FROM ${a}.grant_key OR e.ended_at = ${noExpiry}) AS of_grant
      FROM artifact_end e WHERE e.key = ANY(${endKeys(a, `, ${g}.session_uid`)}))`

/** A condition: nothing that the row `a` hangs from has ended since. */
export const lives = (a: string): string => `NOT EXISTS (
      SELECT FROM artifact_end e WHERE e.key = ANY(${endKeys(a, '')}) AND ${moment} >= ${a}.issued_at
        AND (e.key IS DISTINCT FROM ${a}.id OR e.ended_at = ${noExpiry}))`
