/**
 * Which work begins next: round robin over networks, then over their IP addresses, then over
 * accounts.
 */

/** A place in the queue: its work begins, or it is refused. */
export type QueuedHash = { begin: () => void; refuse: () => void }

/** From the widest network down to the account. */
export type Path = readonly string[]

type Branch = {
  /** Works that run or wait. */
  running: number
  waiting: number
  /** The turn at which its latest work began; 0: none of those that it has now. */
  servedAt: number
  queue: { place: QueuedHash; path: Path }[]
  branches: Map<string, Branch>
}

const held = (branch: Branch | undefined): number => (branch ? branch.running + branch.waiting : 0)
const empty = (): Branch => ({ running: 0, waiting: 0, servedAt: 0, queue: [], branches: new Map() })

export function createFairQueue() {
  const root = empty()
  let turn = 0

  /** The branches of a path from the root on, made where they are missing. */
  function along(path: Path): Branch[] {
    const found = [root]
    for (const name of path) {
      const parent = found.at(-1)!
      const child = parent.branches.get(name) ?? empty()
      parent.branches.set(name, child)
      found.push(child)
    }
    return found
  }

  /** Branches that hold nothing are forgotten. */
  function prune(path: Path): void {
    const found = along(path)
    for (const [depth, name] of [...path.entries()].reverse())
      if (held(found[depth + 1]) === 0) found[depth]!.branches.delete(name)
  }

  function change(path: Path, { running = 0, waiting = 0 }: { running?: number; waiting?: number }): void {
    if (running > 0) turn += 1
    for (const branch of along(path)) {
      branch.running += running
      branch.waiting += waiting
      if (running > 0) branch.servedAt = turn
    }
    prune(path)
  }

  const waitingIn = (branch: Branch): Branch[] => [...branch.branches.values()].filter(({ waiting }) => waiting > 0)

  /** Down to an account, at each step to the branch with waiting works that `isBefore` prefers. */
  function descend(from: Branch, isBefore: (one: Branch, other: Branch) => boolean): Branch {
    const [first, ...others] = waitingIn(from)
    if (!first) return from
    return descend(
      others.reduce((best, one) => (isBefore(one, best) ? one : best), first),
      isBefore,
    )
  }

  /** The account whose newest place a work may take: of a branch with at least two works more. */
  function largestBeside(path: Path, from: Branch = root): Branch | undefined {
    const [name, ...rest] = path
    if (name === undefined) return undefined
    const own = from.branches.get(name)
    // Of branches alike the later one, so that those that have waited longer stay.
    const isLarger = (one: Branch, other: Branch) => held(one) >= held(other)
    const other = waitingIn(from)
      .filter((branch) => branch !== own)
      .reduce<Branch | undefined>((best, one) => (best && !isLarger(one, best) ? best : one), undefined)
    if (other && held(other) > held(own) + 1) return descend(other, isLarger)
    return own && largestBeside(rest, own)
  }

  return {
    waiting: (): number => root.waiting,
    running: (): number => root.running,

    /** A work begins without waiting. */
    begin: (path: Path): void => change(path, { running: 1 }),

    wait: (path: Path, place: QueuedHash): void => {
      change(path, { waiting: 1 })
      along(path).at(-1)!.queue.push({ place, path })
    },

    end: (path: Path): void => change(path, { running: -1 }),

    /** Begins the next work: of the branch that was served longest ago. */
    beginNext: (): void => {
      const next = descend(root, (one, other) => one.servedAt < other.servedAt).queue.shift()
      if (!next) return
      change(next.path, { running: 1, waiting: -1 })
      next.place.begin()
    },

    /** Refuses a work of a branch that has more than its share; gives whether there was one. */
    makeRoom: (path: Path): boolean => {
      const last = largestBeside(path)?.queue.pop()
      if (!last) return false
      change(last.path, { waiting: -1 })
      last.place.refuse()
      return true
    },
  }
}
