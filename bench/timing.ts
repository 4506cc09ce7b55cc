/**
 * Whether the time of an answer distinguishes cases: interleaved tries and medians. The same case
 * measured twice shows the noise.
 */
import { median } from './statistics.ts'

/**
 * One kind of request. `run` sends it for the nth time and returns the milliseconds of its answer,
 * and the answer without the parts that differ by design.
 */
export type Case = { name: string; run: (index: number) => Promise<{ ms: number; answer: string }> }

export type Timing = {
  name: string
  medianMs: number
  /** The distance of the median from that of the first case, as a share of it. */
  apart: number
  /** Whether its answers equal those of the first case, byte for byte. */
  isSameAnswer: boolean
}

export type Comparison = {
  timings: Timing[]
  /** The distance of the first case from its own second measurement. */
  selfDistance: number
  /** No case is further from the first than `selfDistance` and the allowed difference. */
  isAlike: boolean
}

/** The goal for answers that must not distinguish known from unknown accounts. */
export const allowedBeyond = 0.05

/**
 * Runs every case `tries` times, alternately, and each is first equally often. The first case runs
 * twice.
 */
export async function compareCases(cases: readonly Case[], tries: number): Promise<Comparison> {
  const [first] = cases
  if (!first) throw new Error('nothing to compare')
  const all = [...cases, { ...first, name: `${first.name}, again` }]
  const times = all.map(() => [] as number[])
  const answers = all.map(() => new Set<string>())
  for (let index = 0; index < tries; index += 1) {
    for (let offset = 0; offset < all.length; offset += 1) {
      const which = (index + offset) % all.length
      // The second measurement of the first case uses other accounts: no account is tried twice.
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
  const selfDistance = timings.at(-1)!.apart
  return { timings, selfDistance, isAlike: timings.every(({ apart }) => apart <= allowedBeyond + selfDistance) }
}

/**
 * A page without the parts that differ by design: tokens, the interaction's id, the request's id,
 * the echoed address.
 */
export const withoutTokens = (body: string, email: string): string =>
  body
    .replace(/interaction\/[\w-]+/g, 'interaction/UID')
    .replace(/value="[\w-]+(\.[\w-]{43}){1,2}"/g, 'value="TOKEN"')
    .replace(/data-passkey="[^"]*"/, 'CHALLENGE')
    .replaceAll(email, 'ADDRESS')
