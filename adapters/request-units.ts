/**
 * The unit of work of a request: it begins with the request, and is written before the answer is
 * sent.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Log } from '../src/log.ts'
import { rowId, sessionKey } from './digest.ts'
import type { Flusher } from './flush.ts'
import type { GrantContext } from './grant-context.ts'
import type { GrantEndings } from './grants.ts'
import type { ModelName } from './model.ts'
import { answerDigest, outcomeKey } from './outcomes.ts'
import type { Reader } from './read.ts'
import type { createBearerSeal } from './seal.ts'
import type { Unit } from './unit-of-work.ts'
import { createUnit } from './unit-of-work.ts'

type Deps = {
  reader: Pick<Reader, 'prefetch'>
  flusher: Pick<Flusher, 'flush'>
  grantEndings: GrantEndings
  responses: Pick<ReturnType<typeof createBearerSeal>, 'seal'>
  /** Throws while another process might use another store for the model. */
  refuseDisagreement: (model: ModelName) => void
  log: Log
  now: () => number
}

export type RequestUnits = ReturnType<typeof createRequestUnits>

export function createRequestUnits({ reader, flusher, grantEndings, responses, refuseDisagreement, log, now }: Deps) {
  const units = new AsyncLocalStorage<Unit>()

  async function inOwnUnit<T>(work: (unit: Unit) => Promise<T>): Promise<T> {
    const unit = createUnit(now())
    const result = await work(unit)
    await flusher.flush(unit)
    return result
  }

  return {
    /**
     * Runs in the request's unit of work or, outside a request, in a new one that is written at
     * once.
     */
    async inUnit<T>(model: ModelName | undefined, work: (unit: Unit) => Promise<T>): Promise<T> {
      if (model) refuseDisagreement(model)
      const current = units.getStore()
      return current ? work(current) : inOwnUnit(work)
    },

    /** What a request writes after it has ended something is newer than that end. */
    endedHere:
      <A extends unknown[]>(end: (...args: A) => Promise<number>) =>
      async (...args: A): Promise<number> => {
        const count = await end(...args)
        const unit = units.getStore()
        if (unit) unit.beganAt = undefined
        return count
      },

    /** Announces what this request will need, so that it is read together with the first read. */
    prefetch(model: ModelName, id: string): void {
      const unit = units.getStore()
      if (unit) reader.prefetch(unit, model, id)
    },

    /**
     * Koa middleware: one unit of work for the request, written before the answer is sent. Its rows
     * are issued at `receivedAt` (milliseconds since the epoch).
     */
    async middleware(_ctx: unknown, next: () => Promise<unknown>, receivedAt = now()): Promise<void> {
      const unit = createUnit(receivedAt)
      await units.run(unit, async () => {
        try {
          await next()
        } catch (error) {
          // The request has failed: it issues nothing, and what it ended stays ended.
          unit.upserts.clear()
          await flusher.flush(unit).catch((cause) => log.error({ err: cause }, 'a failed request could not be undone'))
          throw error
        }
        await flusher.flush(unit)
      })
    },

    /**
     * Wraps a grant handler of the engine: what it issues is written before `grant.success` is
     * emitted. Throws the engine's InvalidGrant when the presented token was spent meanwhile.
     */
    wrapGrant<Ctx extends GrantContext>(handler: (ctx: Ctx) => void | Promise<void>): (ctx: Ctx) => Promise<void> {
      return (ctx) => {
        const run = async (unit: Unit): Promise<void> => {
          unit.isGranting = true
          try {
            await handler(ctx)
          } catch (error) {
            await grantEndings.abandon(unit, ctx, error)
            throw error
          } finally {
            unit.isGranting = false
          }
          await grantEndings.finishGrant(unit, ctx)
        }
        const current = units.getStore()
        if (current) return run(current)
        const unit = createUnit(now())
        return units.run(unit, () => run(unit))
      }
    },

    /**
     * The issue time of what this request issues, in milliseconds since the epoch: the start of the
     * request.
     */
    issuedAt: (): number => units.getStore()?.beganAt ?? now(),

    /**
     * This request resumes the interaction `uid`, and its writes take effect once. `response` gives
     * the response to repeat, when the request is otherwise complete.
     */
    resumes(uid: string, response: () => string): void {
      const unit = units.getStore()
      const key = outcomeKey(uid)
      if (!unit) return
      unit.outcome = {
        key,
        interaction: rowId('Interaction', uid),
        response: () => responses.seal(uid, response(), key),
      }
    },

    /**
     * This request answers the interaction `uid`. Its writes take effect only if no other answer
     * was given.
     */
    setAnswer(uid: string, answer: string): void {
      const unit = units.getStore()
      if (!unit) return
      const interaction = rowId('Interaction', uid)
      unit.decision = { key: outcomeKey(uid), interaction, answer: answerDigest(answer) }
    },

    /** The generation in the row of the session `uid`; -1 when this request has not loaded it. */
    generationOf: (uid: string): number => {
      const session = units.getStore()?.session
      return session?.key.equals(sessionKey(uid)) ? session.generation : -1
    },
  }
}
