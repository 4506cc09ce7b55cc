/** Whether the time of an answer tells cases apart: interleaved tries, medians, and the same case measured twice as the measure of chance. */
import { median } from './statistics.ts'

/** One kind of request. `run` sends it for the nth time and gives how many milliseconds its answer took, and the answer without what differs by design. */
export type Case = { name: string; run: (index: number) => Promise<{ ms: number; answer: string }> }

export type Timing = {
  name: string
  medianMs: number
  /** How far the median is from that of the first case, as a share of it. */
  apart: number
  /** Whether its answers were the first case's, byte for byte. */
  isSameAnswer: boolean
}

export type Comparison = {
  timings: Timing[]
  /** How far the first case is from itself, measured a second time in between. */
  itself: number
  /** No case is further from the first than `itself` and what is allowed beyond it. */
  isAlike: boolean
}

/** The goal for answers that tell known from unknown accounts. */
export const allowedBeyond = 0.05

/** Runs every case `tries` times, in turns, each first as often as another; the first case twice. */
export async function compareCases(cases: readonly Case[], tries: number): Promise<Comparison> {
  const [first] = cases
  if (!first) throw new Error('nothing to compare')
  const all = [...cases, { ...first, name: `${first.name}, again` }]
  const times = all.map(() => [] as number[])
  const answers = all.map(() => new Set<string>())
  for (let index = 0; index < tries; index += 1) {
    for (let turn = 0; turn < all.length; turn += 1) {
      const which = (index + turn) % all.length
      // The second measurement of the first case is other people's: nobody is tried twice.
      const { ms, answer } = await all[which]!.run(which === cases.length ? tries + index : index)
      times[which]!.push(ms)
      answers[which]!.add(answer)
    }
  }
  const medians = times.map(median)
  const usual = medians[0]!
  const timings = all.map(({ name }, index) => ({
    name,
    medianMs: medians[index]!,
    apart: Math.abs(medians[index]! - usual) / usual,
    isSameAnswer: new Set([...answers[0]!, ...answers[index]!]).size === 1,
  }))
  const itself = timings.at(-1)!.apart
  return { timings, itself, isAlike: timings.every(({ apart }) => apart <= allowedBeyond + itself) }
}

/** A page without what differs by design from one answer to the next: tokens, the interaction's id, the request's id, the echoed address. */
export const withoutTokens = (body: string, email: string): string =>
  body
    .replace(/interaction\/[\w-]+/g, 'interaction/UID')
    .replace(/value="[\w-]+(\.[\w-]{43}){1,2}"/g, 'value="TOKEN"')
    .replace(/data-passkey="[^"]*"/, 'CHALLENGE')
    .replaceAll(email, 'ADDRESS')
