/** Key sets that clients publish (`jwks_uri`, RFC 7591 §2): fetched through the guard, and not more than once a minute each. */

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
 * The number of the quarter of an hour at `nowMs`. The engine looks at a published key set again only for an unknown `kid`; a client with one is
 * made anew in each of these, so that a key that it has taken out stops counting.
 */
export const keySetPeriod = (nowMs: number): number => Math.floor(nowMs / periodMs)

/**
 * The keys that may verify something, and what is wrong with the others. A private or symmetric key spoils the whole set, because its owner has
 * published a secret.
 */
export function soundKeys(all: readonly unknown[]): { keys: unknown[]; problems: PublicKeyProblem[] } {
  const checked = all.map((key) => ({ key, problem: publicKeyProblem(key) }))
  const problems = checked.map(({ problem }) => problem).filter((problem) => problem !== undefined)
  const sound = checked.filter(({ problem }) => problem === undefined).map(({ key }) => key)
  return { keys: problems.includes('key_is_private') ? [] : sound, problems }
}

/** A fetched set with its sound keys only. What is no key set is left to the engine, which refuses it. */
function sift(answer: KeySetAnswer): { answer: KeySetAnswer; problems: PublicKeyProblem[] } {
  let set: unknown
  try {
    set = JSON.parse(answer.text)
  } catch {
    return { answer, problems: [] }
  }
  if (!isRecord(set) || !Array.isArray(set.keys)) return { answer, problems: [] }
  const { keys, problems } = soundKeys(set.keys)
  return { answer: { status: answer.status, text: JSON.stringify({ keys }) }, problems }
}

/**
 * The engine's `fetch`, which it uses for nothing else here. It fetches anew for each unknown `kid` and after each failure, so what came within the
 * last minute is given again, failures too: nobody makes this server call somebody's address at a rate of their choosing. The answer's
 * own Cache-Control is left out, because it could forbid a client the use of its new key for years.
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
