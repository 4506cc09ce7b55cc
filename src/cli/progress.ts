/** A progress bar on standard error for long commands, if it is a terminal. */
import type { Io } from './command.ts'

const width = 30
const everyMs = 100

/**
 * `total` has the same unit as `done` of `show`; `text` follows the bar. Without a terminal nothing
 * is written.
 */
export function createProgress({ stderr }: Pick<Io, 'stderr'>, total: number) {
  let shownAt = Number.NEGATIVE_INFINITY
  const isWatched = stderr.isTTY === true
  return {
    show: (done: number, text: string): void => {
      if (!isWatched || (performance.now() - shownAt < everyMs && done < total)) return
      shownAt = performance.now()
      const share = total === 0 ? 1 : Math.min(1, done / total)
      const filled = Math.round(share * width)
      stderr.write(`\r\x1b[K[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${Math.floor(share * 100)} % ${text}`)
    },
    /** Removes the bar, so that a line can be written in its place. */
    clear: (): void => {
      if (isWatched) stderr.write('\r\x1b[K')
    },
  }
}
