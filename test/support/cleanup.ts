/** Releases the resources of a test file when the file ends, whether it passed or failed. */

const left = new Set<() => Promise<unknown>>()

/** Returns `release` for the test to call. The end of the file calls it if the test did not. */
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

/** Releases the remaining resources, the newest first. `file-runner.ts` calls it. */
export async function releaseAll(): Promise<void> {
  // Sequential: a server is stopped before its database is dropped. A failure keeps nothing else
  // from its release, and is shown.
  for (const release of [...left].reverse())
    await release().catch((error) => console.error('a resource of the test file was not released:', error))
}
