/** What a process knows of a key without asking the store: that there is none before some moment, and what it has taken in advance. */
import type { Ask, Verdict } from './algorithms.ts'

/** One answer about one key. */
export type Answer = Readonly<{ isGranted: boolean; remaining: number; resetMs: number; retryMs: number }>

type Held = {
  limit: number
  /** Before this moment the store has none, whatever anybody does. */
  refusedUntil: number
  /** Taken from the store and not used yet. */
  left: number
  /** How many are taken at once: as many as are used within about a second. */
  share: number
  heardAt: number
  heard: Verdict
  waiting: number
  asking: Promise<void> | undefined
}

type Deps = {
  ask: (key: string, ask: Ask) => Promise<Verdict>
  now: () => number
  maxKeys: number
}

type Question = Omit<Ask, 'wanted' | 'now'>

/** A process holds at most this part of a limit: by so much a limit can be missed, for each process. */
export const largestPart = 20
const largestShare = 1000
const busyMs = 1000

const nothing: Verdict = { granted: 0, remaining: 0, resetMs: 0, retryMs: 0 }

export function createHeld({ ask, now, maxKeys }: Deps) {
  const known = new Map<string, Held>()

  function heldOf(key: string, limit: number): Held {
    const held = known.get(key)
    // What was taken or refused under another limit says nothing about this one.
    if (held?.limit === limit) return held
    const fresh: Held = {
      limit,
      refusedUntil: 0,
      left: 0,
      share: 1,
      heardAt: 0,
      heard: nothing,
      waiting: 0,
      asking: undefined,
    }
    known.set(key, fresh)
    if (known.size > maxKeys) known.delete(known.keys().next().value!)
    return fresh
  }

  function answer(held: Held, isGranted: boolean): Answer {
    const { heard, heardAt, left } = held
    return {
      isGranted,
      remaining: isGranted ? heard.remaining + left : 0,
      resetMs: Math.max(0, heard.resetMs - Math.max(0, now() - heardAt)),
      retryMs: isGranted ? 0 : Math.max(1, held.refusedUntil - now()),
    }
  }

  function listen(held: Held, verdict: Verdict, wanted: number): void {
    held.heard = verdict
    held.heardAt = now()
    held.left += verdict.granted
    // Fewer than wanted: there is none left, and a flood need not ask again for each of its requests.
    if (verdict.granted < wanted) held.refusedUntil = now() + Math.max(1, verdict.retryMs)
  }

  const refusalOf = (held: Held): Answer | undefined => (now() < held.refusedUntil ? answer(held, false) : undefined)

  /** Each one from the store, except what it has refused already. */
  async function takeOne(key: string, question: Question): Promise<Answer> {
    const held = heldOf(key, question.limit)
    const refusal = refusalOf(held)
    if (refusal) return refusal
    const verdict = await ask(key, { ...question, wanted: 1, now: now() })
    listen(held, verdict, 1)
    held.left = 0
    return answer(held, verdict.granted === 1)
  }

  async function takeShare(held: Held, key: string, question: Question): Promise<void> {
    const usedUpMs = now() - held.heardAt
    const most = Math.min(largestShare, Math.max(1, Math.floor(question.limit / largestPart)))
    if (usedUpMs <= busyMs) held.share = Math.min(most, held.share * 2)
    else if (usedUpMs > 4 * busyMs) held.share = Math.max(1, Math.floor(held.share / 2))
    const wanted = Math.max(held.share, held.waiting)
    listen(held, await ask(key, { ...question, wanted, now: now() }), wanted)
  }

  /** From what this process has taken in advance, and a new share when that is used up: one question for all who wait for it. */
  async function takeLeased(key: string, question: Question): Promise<Answer> {
    const held = heldOf(key, question.limit)
    for (;;) {
      // What was taken so long ago is in the bucket again.
      if (held.left > 0 && now() - held.heardAt > question.windowMs) held.left = 0
      if (held.left > 0) {
        held.left -= 1
        return answer(held, true)
      }
      const refusal = refusalOf(held)
      if (refusal) return refusal
      held.waiting += 1
      held.asking ??= takeShare(held, key, question).finally(() => {
        held.asking = undefined
      })
      try {
        await held.asking
      } finally {
        held.waiting -= 1
      }
    }
  }

  return {
    takeOne,
    takeLeased,
    /** The refusal that is known here; asks nobody. */
    knownRefusal: (key: string, limit: number): Answer | undefined => {
      const held = known.get(key)
      return held?.limit === limit && held.left === 0 ? refusalOf(held) : undefined
    },
  }
}
