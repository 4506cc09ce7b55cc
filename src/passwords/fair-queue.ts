/** Selects the next hash: round robin over networks, then IP addresses, then accounts. */

/** An entry of the queue. It begins or is refused. */
export type QueuedHash = { begin: () => void; refuse: () => void }

/** From the widest network to the account. */
export type Path = readonly string[]

type Branch = {
  /** Hashes that run or wait. */
  running: number
  waiting: number
  /** The sequence number of its last start, or 0 before the first. */
  servedAt: number
  queue: { entry: QueuedHash; path: Path }[]
  branches: Map<string, Branch>
}

const loadOf = (branch: Branch | undefined): number => (branch ? branch.running + branch.waiting : 0)
const empty = (): Branch => ({ running: 0, waiting: 0, servedAt: 0, queue: [], branches: new Map() })

export function createFairQueue() {
  const root = empty()
  let starts = 0

  /** The branches of a path from the root. Missing ones are created. */
  function branchesAlong(path: Path): Branch[] {
    const found = [root]
    for (const name of path) {
      const parent = found.at(-1)!
      const child = parent.branches.get(name) ?? empty()
      parent.branches.set(name, child)
      found.push(child)
    }
    return found
  }

  /** Deletes branches without hashes. */
  function prune(path: Path): void {
    const found = branchesAlong(path)
    for (const [depth, name] of [...path.entries()].reverse())
      if (loadOf(found[depth + 1]) === 0) found[depth]!.branches.delete(name)
  }

  function change(path: Path, { running = 0, waiting = 0 }: { running?: number; waiting?: number }): void {
    if (running > 0) starts += 1
    for (const branch of branchesAlong(path)) {
      branch.running += running
      branch.waiting += waiting
      if (running > 0) branch.servedAt = starts
    }
    prune(path)
  }

  const waitingIn = (branch: Branch): Branch[] => [...branch.branches.values()].filter(({ waiting }) => waiting > 0)

  /** Goes down to an account, at each level to the waiting branch that `isBefore` prefers. */
  function descend(from: Branch, isBefore: (one: Branch, other: Branch) => boolean): Branch {
    const [first, ...others] = waitingIn(from)
    if (!first) return from
    return descend(
      others.reduce((best, one) => (isBefore(one, best) ? one : best), first),
      isBefore,
    )
  }

  /** The account that loses its newest entry, in a branch with at least two hashes more. */
  function largestBeside(path: Path, from: Branch = root): Branch | undefined {
    const [name, ...rest] = path
    if (name === undefined) return undefined
    const own = from.branches.get(name)
    // Of equal branches the later one, so that the longest waiting entries stay.
    const isLarger = (one: Branch, other: Branch) => loadOf(one) >= loadOf(other)
    const other = waitingIn(from)
      .filter((branch) => branch !== own)
      .reduce<Branch | undefined>((best, one) => (best && !isLarger(one, best) ? best : one), undefined)
    if (other && loadOf(other) > loadOf(own) + 1) return descend(other, isLarger)
    return own && largestBeside(rest, own)
  }

  return {
    waiting: (): number => root.waiting,
    running: (): number => root.running,

    /** Begins a hash without waiting. */
    begin: (path: Path): void => change(path, { running: 1 }),

    wait: (path: Path, entry: QueuedHash): void => {
      change(path, { waiting: 1 })
      branchesAlong(path).at(-1)!.queue.push({ entry, path })
    },

    end: (path: Path): void => change(path, { running: -1 }),

    /** Begins the next hash, of the branch that was served longest ago. */
    beginNext: (): void => {
      const next = descend(root, (one, other) => one.servedAt < other.servedAt).queue.shift()
      if (!next) return
      change(next.path, { running: 1, waiting: -1 })
      next.entry.begin()
    },

    /** Refuses an entry of a branch with more than its share. Returns whether there was one. */
    makeRoom: (path: Path): boolean => {
      const last = largestBeside(path)?.queue.pop()
      if (!last) return false
      change(last.path, { waiting: -1 })
      last.entry.refuse()
      return true
    },
  }
}
