/** Finds regular expressions with exponential or polynomial time, by the ways to match a text. */
import type { RegexNode } from './regex-parser.ts'
import { parseRegex } from './regex-parser.ts'

type Ways = Map<number, number>
/** The characters of each position, its successors with their ways, and the final positions. */
type Automaton = { sets: readonly ReadonlySet<string>[]; follow: readonly Ways[]; last: Ways }
/** First and last positions of a part, with their ways. `isNullable`: the part may be empty. */
type Ends = { first: Ways; last: Ways; isNullable: boolean }

// A higher number of repetitions is treated as unlimited.
const mostCopies = 6

const add = (ways: Ways, position: number, count: number): void => {
  ways.set(position, Math.min(2, (ways.get(position) ?? 0) + count))
}
const join = (...all: Ways[]): Ways => {
  const joined: Ways = new Map()
  for (const ways of all) for (const [position, count] of ways) add(joined, position, count)
  return joined
}

/** The position automaton (Glushkov): which position may follow which, in how many ways. */
function automatonOf(root: RegexNode): Automaton {
  const sets: ReadonlySet<string>[] = []
  const follow: Ways[] = []
  const nothing = (): Ends => ({ first: new Map(), last: new Map(), isNullable: true })

  function connect(last: Ways, first: Ways): void {
    for (const [from, ways] of last) for (const [to, count] of first) add(follow[from]!, to, ways * count)
  }

  function inOrder(parts: readonly (() => Ends)[]): Ends {
    return parts.reduce<Ends>((before, build) => {
      const next = build()
      connect(before.last, next.first)
      return {
        first: before.isNullable ? join(before.first, next.first) : before.first,
        last: next.isNullable ? join(before.last, next.last) : next.last,
        isNullable: before.isNullable && next.isNullable,
      }
    }, nothing())
  }

  const optional = (ends: Ends): Ends => ({ ...ends, isNullable: true })

  function repeated(part: RegexNode, min: number, max: number): Ends {
    const copies = Array.from({ length: Math.min(min, mostCopies) }, () => () => build(part))
    if (max === min) return inOrder(copies)
    if (max - min > mostCopies) {
      const loop = () => {
        const ends = build(part)
        connect(ends.last, ends.first)
        return optional(ends)
      }
      // One or more is a single loop: an extra copy before it would count as a second way.
      if (copies.length === 1) return { ...loop(), isNullable: false }
      return inOrder([...copies, loop])
    }
    const rest = (left: number): Ends =>
      left === 0 ? nothing() : optional(inOrder([() => build(part), () => rest(left - 1)]))
    return inOrder([...copies, () => rest(max - min)])
  }

  function build(node: RegexNode): Ends {
    if (node.type === 'set') {
      const position = sets.push(node.has) - 1
      follow.push(new Map())
      return { first: new Map([[position, 1]]), last: new Map([[position, 1]]), isNullable: false }
    }
    if (node.type === 'sequence') return inOrder(node.parts.map((part) => () => build(part)))
    if (node.type === 'repeat') return repeated(node.part, node.min, node.max)
    const options = node.parts.map(build)
    return {
      first: join(...options.map(({ first }) => first)),
      last: join(...options.map(({ last }) => last)),
      isNullable: options.some(({ isNullable }) => isNullable),
    }
  }

  const { last } = build(root)
  return { sets, follow, last }
}

/** Strongly connected components of a graph that have a cycle (Tarjan), as lists of nodes. */
function cyclesOf(nodes: readonly number[], next: (node: number) => readonly number[]): number[][] {
  const index = new Map<number, number>()
  const low = new Map<number, number>()
  const stack: number[] = []
  const onStack = new Set<number>()
  const found: number[][] = []
  for (const start of nodes) {
    if (index.has(start)) continue
    const work: { node: number; successors: readonly number[]; at: number }[] = []
    const enter = (node: number): void => {
      index.set(node, index.size)
      low.set(node, index.get(node)!)
      stack.push(node)
      onStack.add(node)
      work.push({ node, successors: next(node), at: 0 })
    }
    enter(start)
    for (let frame = work.at(-1); frame; frame = work.at(-1)) {
      const successor = frame.successors[frame.at]
      frame.at += 1
      const { node } = frame
      if (successor === undefined) {
        work.pop()
        const above = work.at(-1)?.node
        if (above !== undefined) low.set(above, Math.min(low.get(above)!, low.get(node)!))
        if (low.get(node) !== index.get(node)) continue
        const part = stack.splice(stack.indexOf(node))
        for (const one of part) onStack.delete(one)
        if (part.length > 1 || next(node).includes(node)) found.push(part)
      } else if (!index.has(successor)) enter(successor)
      else if (onStack.has(successor)) low.set(node, Math.min(low.get(node)!, index.get(successor)!))
    }
  }
  return found
}

const cyclesIn = ({ sets, follow }: Automaton): number[][] =>
  cyclesOf([...sets.keys()], (node) => [...follow[node]!.keys()])

const overlapsIn = ({ sets }: Automaton) => {
  const compared = new Map<number, boolean>()
  return (a: number, b: number): boolean => {
    const key = Math.min(a, b) * sets.length + Math.max(a, b)
    const known = compared.get(key) ?? [...sets[a]!].some((one) => sets[b]!.has(one))
    compared.set(key, known)
    return known
  }
}

function isExponential(automaton: Automaton): boolean {
  const { sets, follow } = automaton
  const overlaps = overlapsIn(automaton)
  return cyclesIn(automaton).some((cycle) => {
    const within = new Set(cycle)
    const onCycle = (node: number): number[] => [...follow[node]!.keys()].filter((to) => within.has(to))
    if (cycle.some((node) => onCycle(node).some((to) => follow[node]!.get(to)! > 1))) return true
    // Pairs of positions that the same text reaches: from one position to two different ones, and
    // back to it.
    const pairOf = (a: number, b: number): number => a * sets.length + b
    const next = (pair: number): number[] =>
      onCycle(Math.floor(pair / sets.length)).flatMap((to) =>
        onCycle(pair % sets.length)
          .filter((other) => overlaps(to, other))
          .map((other) => pairOf(to, other)),
      )
    const isSame = (pair: number): boolean => Math.floor(pair / sets.length) === pair % sets.length
    const starts = cycle.map((node) => pairOf(node, node))
    return cyclesOf(starts, next).some((part) => part.some(isSame) && !part.every(isSame))
  })
}

/**
 * Two loops, one after the other, that match the same text: n characters can be divided in n ways.
 * If the expression is not anchored at its start, the search for the start is the first loop.
 * A second loop at the end of the expression is not retried, unless `canFailAtEnd`.
 */
function isPolynomial(automaton: Automaton, canFailAtEnd: boolean): boolean {
  const { sets, follow, last } = automaton
  const cycles = cyclesIn(automaton)
  const cycleOf = new Map(cycles.flatMap((cycle) => cycle.map((node) => [node, new Set(cycle)] as const)))
  const triples = (p: number, q: number): boolean => {
    const seen = new Set<string>()
    const waiting = [[p, p, q] as const]
    for (let triple = waiting.pop(); triple; triple = waiting.pop()) {
      const [a, b, c] = triple
      for (const x of follow[a]!.keys()) {
        if (!cycleOf.get(p)!.has(x)) continue
        for (const z of follow[c]!.keys()) {
          if (!cycleOf.get(q)!.has(z)) continue
          const common = [...sets[x]!].filter((one) => sets[z]!.has(one))
          if (common.length === 0) continue
          for (const y of follow[b]!.keys()) {
            if (!common.some((one) => sets[y]!.has(one))) continue
            if (x === p && y === q && z === q) return true
            const key = `${x} ${y} ${z}`
            if (seen.has(key)) continue
            seen.add(key)
            waiting.push([x, y, z])
          }
        }
      }
    }
    return false
  }
  const looping = [...cycleOf.keys()]
  const seconds = looping.filter((q) => canFailAtEnd || !last.has(q))
  return seconds.some((q) => looping.some((p) => cycleOf.get(p) !== cycleOf.get(q) && triples(p, q)))
}

/** The reason why the expression is refused, else undefined. */
export function regexProblem(regex: Pick<RegExp, 'source' | 'flags'>): string | undefined {
  try {
    const { node, lookarounds, fromAnywhere } = parseRegex(regex)
    if ([node, ...lookarounds].map(automatonOf).some(isExponential)) return 'takes exponential time'
    const canFailAtEnd = /(?<!\\)\$|\\b|\(\?<?[=!]/i.test(regex.source)
    const isSlow = [node, fromAnywhere, ...lookarounds].some((one) => isPolynomial(automatonOf(one), canFailAtEnd))
    return isSlow ? 'takes polynomial time' : undefined
  } catch (error) {
    return `cannot be judged: ${(error as Error).message}`
  }
}
