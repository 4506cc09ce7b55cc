/** What a test has made and not released is released when its file ends, passed or failed. */

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

/** Releases what is left, the newest first. `file-runner.ts` calls it at the end of each file. */
export async function releaseAll(): Promise<void> {
  // One after the other: a server is stopped before its database is dropped.
  for (const release of [...left].reverse()) await release().catch(() => {})
}
