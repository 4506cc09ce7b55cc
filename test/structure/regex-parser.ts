/** Parses a regular expression into sets of characters, sequences, alternatives and repetitions. */

export type RegexNode =
  | { type: 'set'; has: ReadonlySet<string> }
  | { type: 'sequence' | 'choice'; parts: RegexNode[] }
  | { type: 'repeat'; part: RegexNode; min: number; max: number }

export type ParsedRegex = {
  /** The expression at the beginning of a text. */
  node: RegexNode
  /** The contents of each lookahead and lookbehind, each a separate expression. */
  lookarounds: RegexNode[]
  /** The expression at a later position, where `^` and the part after it cannot match. */
  fromAnywhere: RegexNode
}

const empty: RegexNode = { type: 'sequence', parts: [] }
const ascii = Array.from({ length: 0x180 }, (_, code) => String.fromCodePoint(code))
const others = ['\u0301', '\u0660', '\u2028', '\u202a', '\u3042', '\u4e2d', '\ufeff', '\u{1F600}']

/** Characters that represent all: common ones, and every one that the expression names. */
function alphabetOf(source: string): string[] {
  const escaped = [...source.matchAll(/\\u\{([0-9a-f]+)\}|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})/gi)].map(
    ([, braced, four, two]) => String.fromCodePoint(Number.parseInt(braced ?? four ?? two ?? '0', 16)),
  )
  return [...new Set([...ascii, ...others, ...source, ...escaped])]
}

/** Throws for a back reference: its cost cannot be computed from sets of characters. */
export function parseRegex(regex: Pick<RegExp, 'source' | 'flags'>): ParsedRegex {
  const atStart = parse(regex, empty)
  if (regex.flags.includes('y')) return { ...atStart, fromAnywhere: empty }
  const impossible: RegexNode = { type: 'set', has: new Set() }
  const { node } = parse(regex, regex.flags.includes('m') ? empty : impossible)
  const any: RegexNode = { type: 'set', has: new Set(alphabetOf(regex.source)) }
  const search: RegexNode = { type: 'repeat', part: any, min: 0, max: Number.POSITIVE_INFINITY }
  return { ...atStart, fromAnywhere: { type: 'sequence', parts: [search, node] } }
}

/** Every anchor is empty except `^`, which becomes `start`. */
function parse({ source, flags }: Pick<RegExp, 'source' | 'flags'>, start: RegexNode) {
  const alphabet = alphabetOf(source)
  const setFlags = flags.replace(/[gmy]/g, '')
  const sets = new Map<string, RegexNode>()
  const lookarounds: RegexNode[] = []
  let at = 0

  function setOf(atom: string): RegexNode {
    const known = sets.get(atom)
    if (known) return known
    const test = new RegExp(`^(?:${atom})$`, setFlags)
    const made: RegexNode = { type: 'set', has: new Set(alphabet.filter((one) => test.test(one))) }
    sets.set(atom, made)
    return made
  }

  function choice(): RegexNode {
    const parts = [sequence()]
    while (source[at] === '|') {
      at += 1
      parts.push(sequence())
    }
    return parts.length === 1 ? parts[0]! : { type: 'choice', parts }
  }

  function sequence(): RegexNode {
    const parts: RegexNode[] = []
    while (at < source.length && source[at] !== '|' && source[at] !== ')') parts.push(quantified(atom()))
    return { type: 'sequence', parts }
  }

  function quantified(part: RegexNode): RegexNode {
    const [text = '', sign, from, comma, to] = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(source.slice(at)) ?? []
    if (text === '') return part
    at += text.length
    if (sign)
      return { type: 'repeat', part, min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Number.POSITIVE_INFINITY }
    const min = Number(from)
    const open = comma === ',' ? Number.POSITIVE_INFINITY : min
    return { type: 'repeat', part, min, max: to === '' ? open : Number(to) }
  }

  function group(): RegexNode {
    const [opening = '(', look] = /^\((?:(\?<?[=!])|\?<[^>]*>|\?[a-z-]*:)?/.exec(source.slice(at)) ?? []
    at += opening.length
    const inside = choice()
    at += 1
    if (!look) return inside
    lookarounds.push(inside)
    return empty
  }

  function atom(): RegexNode {
    const rest = source.slice(at)
    if (rest[0] === '(') return group()
    if (rest[0] === '^') {
      at += 1
      return start
    }
    if (/^(?:\$|\\[bB])/.test(rest)) {
      at += rest[0] === '\\' ? 2 : 1
      return empty
    }
    if (/^\\(?:[1-9]|k<)/.test(rest)) throw new Error('a back reference')
    const [text = ''] =
      /^\[(?:\\.|[^\]\\])*\]/su.exec(rest) ??
      /^\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|.)/su.exec(rest) ??
      /^./su.exec(rest) ??
      []
    at += text.length
    return setOf(text)
  }

  const node = choice()
  if (at !== source.length) throw new Error(`not understood from ${source.slice(at)}`)
  return { node, lookarounds }
}
