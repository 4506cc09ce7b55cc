/** What a test has made and not let go of is let go of when its file ends, passed or failed. */

const left = new Set<() => Promise<unknown>>()

/** Gives `release` to be called by the test; when it is not, it is called at the end of the file. Only the first call counts. */
export function releasedAtEnd(release: () => Promise<unknown>): () => Promise<void> {
  let releasing: Promise<void> | undefined
  const once = (): Promise<void> => {
    left.delete(once)
    releasing ??= release().then(() => {})
    return releasing
  }
  left.add(once)
  return once
}

// These files are also used outside of Jest, by the bench and by processes that tests start.
const atEndOfFile = (globalThis as { afterAll?: typeof afterAll }).afterAll
atEndOfFile?.(async () => void (await Promise.allSettled([...left].reverse().map((release) => release()))))
