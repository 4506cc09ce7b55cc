/**
 * Key sets that clients publish (`jwks_uri`, RFC 7591 §2): fetched through the guard, each at most
 * once a minute.
 */

import type { Log } from '../log.ts'
import { isRecord } from '../problems.ts'
import type { PublicKeyProblem } from '../public-keys.ts'
import { publicKeyProblem } from '../public-keys.ts'

export type KeySetAnswer = Readonly<{ status: number; text: string }>

type Deps = {
  fetchKeys: (url: string) => Promise<KeySetAnswer>
  now: () => number
  log: Log
}

const minuteMs = 60_000
const maxAnswers = 1_000

const periodMs = 15 * minuteMs

/**
 * The number of the 15-minute period at `nowMs`. The engine fetches a key set again only for an
 * unknown `kid`. We rebuild the client in each period, so that a removed key is no longer accepted.
 */
export const keySetPeriod = (nowMs: number): number => Math.floor(nowMs / periodMs)

/**
 * Gives the usable keys, and the problems of the others. A private or symmetric key makes the whole
 * set unusable, because its secret is public.
 */
export function soundKeys(all: readonly unknown[]): { keys: unknown[]; problems: PublicKeyProblem[] } {
  const checked = all.map((key) => ({ key, problem: publicKeyProblem(key) }))
  const problems = checked.map(({ problem }) => problem).filter((problem) => problem !== undefined)
  const sound = checked.filter(({ problem }) => problem === undefined).map(({ key }) => key)
  return { keys: problems.includes('key_is_private') ? [] : sound, problems }
}

/** A fetched set with only its usable keys. The engine refuses an answer that is not a key set. */
function sift(answer: KeySetAnswer): { answer: KeySetAnswer; problems: PublicKeyProblem[] } {
  let set: unknown
  try {
    set = JSON.parse(answer.text)
  } catch {
    // Not JSON: the engine refuses the answer.
    return { answer, problems: [] }
  }
  if (!isRecord(set) || !Array.isArray(set.keys)) return { answer, problems: [] }
  const { keys, problems } = soundKeys(set.keys)
  return { answer: { status: answer.status, text: JSON.stringify({ keys }) }, problems }
}

/**
 * The engine's `fetch`, used only for key sets. Answers and failures are reused for a minute, so
 * that a client cannot choose the rate of our requests. Cache-Control is ignored, because it could
 * block a new key for years.
 */
export function createKeySetFetch({ fetchKeys, now, log }: Deps) {
  const answers = new Map<string, { at: number; answer: Promise<KeySetAnswer> }>()

  async function fetchSound(url: string): Promise<KeySetAnswer> {
    const { answer, problems } = sift(await fetchKeys(url))
    if (problems.length > 0) log.warn({ url: new URL(url).origin, problems }, 'keys of a client are not used')
    return answer
  }

  function ask(url: string): Promise<KeySetAnswer> {
    const known = answers.get(url)
    if (known && now() - known.at < minuteMs && now() >= known.at) return known.answer
    answers.delete(url)
    const answer = fetchSound(url)
    answer.catch((error: unknown) =>
      log.warn({ err: error, url: new URL(url).origin }, 'the key set of a client was not fetched'),
    )
    answers.set(url, { at: now(), answer })
    const [oldest] = answers.keys()
    if (answers.size > maxAnswers && oldest !== undefined) answers.delete(oldest)
    return answer
  }

  return async (url: string | URL): Promise<Response> => {
    const { status, text } = await ask(String(url))
    return new Response(text === '' ? null : text, { status })
  }
}
