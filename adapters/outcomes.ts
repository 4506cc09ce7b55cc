/**
 * The outcome of an interaction: decided once, repeatable for `repeatableMs`, and always stored in
 * Postgres.
 */
import { createHash } from 'node:crypto'
import { rowId } from './digest.ts'
import type { Tx } from './ended-rows.ts'
import type { Postgres, Statement } from './postgres/connection.ts'
import { repeatableMs } from './postgres/write-statements.ts'
import type { createBearerSeal } from './seal.ts'

type Deps = { postgres: Postgres; seal: ReturnType<typeof createBearerSeal>; now: () => number }

/**
 * `first`: undecided before. `same`: the same answer, within `repeatableMs`. `other`: a different
 * answer, or the same answer too late.
 */
export type Decision = 'first' | 'same' | 'other'

export type Outcomes = ReturnType<typeof createOutcomes>

/** Longer than the lifetime of an interaction. */
const retentionMs = 2 * 60 * 60 * 1000

const decideText = `
    WITH put AS (
      INSERT INTO interaction_outcome (interaction, answer, answered_at, expires_at)
      VALUES (:interaction, :answer, :at::int8, :at::int8 + ${retentionMs}) ON CONFLICT (interaction) DO NOTHING RETURNING interaction)
    SELECT true AS is_first, NULL::bytea AS answer, NULL::int8 AS answered_at FROM put
    UNION ALL SELECT false, answer, answered_at FROM interaction_outcome
      WHERE interaction = :interaction AND NOT EXISTS (SELECT 1 FROM put)`

const findOutcome: Statement = {
  name: 'interaction_outcome_find',
  text: 'SELECT answer, answered_at, resumed_at, sealed_response FROM interaction_outcome WHERE interaction = $1',
}

export const outcomeKey = (uid: string): Buffer => rowId('interaction outcome', uid)
export const answerDigest = (answer: string): Buffer =>
  createHash('sha256').update(`interaction answer\0${answer}`).digest()

export function createOutcomes({ postgres, seal, now }: Deps) {
  const isRecent = (at: unknown): boolean => at !== null && at !== undefined && now() - Number(at) <= repeatableMs

  return {
    /**
     * Decides the interaction `uid` when the caller's transaction commits: of concurrent answers
     * exactly one is the first. Needs the isolation level READ COMMITTED.
     */
    async decide(tx: Tx, uid: string, answer: string): Promise<Decision> {
      const digest = answerDigest(answer)
      for (;;) {
        const { rows } = await tx.raw(decideText, { interaction: outcomeKey(uid), answer: digest, at: now() })
        const [row] = rows
        // No row: another request has decided since this statement began. The next attempt sees its
        // answer.
        if (!row) continue
        if (row.is_first) return 'first'
        return digest.equals(row.answer) && isRecent(row.answered_at) ? 'same' : 'other'
      }
    },

    /** Whether the finished interaction `uid` got this answer within `repeatableMs`. */
    async wasJustAnswered(uid: string, answer: string): Promise<boolean> {
      const [row] = await postgres.query(findOutcome, [outcomeKey(uid)])
      return row !== undefined && answerDigest(answer).equals(row[0] as Buffer) && isRecent(row[1])
    },

    /**
     * The response that resumed the interaction a moment ago; undefined when there is none to
     * repeat.
     */
    async findResponse(uid: string): Promise<string | undefined> {
      const [row] = await postgres.query(findOutcome, [outcomeKey(uid)])
      const sealed = row?.[3]
      return row && isRecent(row[2]) && Buffer.isBuffer(sealed) ? seal.open(uid, sealed, outcomeKey(uid)) : undefined
    },
  }
}
