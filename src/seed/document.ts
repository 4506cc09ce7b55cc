/** A seed as text: YAML (which includes JSON), only read. Every problem has its line. */
import type { Document } from 'yaml'
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Problem } from '../problems.ts'
import { isRecord, unknownKey } from '../problems.ts'

const sections = ['users', 'clients', 'resource_servers'] as const
export type SeedDocument = Readonly<Record<(typeof sections)[number], readonly Readonly<Record<string, unknown>>[]>>

export type ReadSeed = {
  document: SeedDocument
  problems: Problem[]
  /** The same problems with their lines in this text. */
  withLines: (problems: readonly Problem[]) => Problem[]
}

const maximumLength = 1_000_000

export function readSeed(text: string): ReadSeed {
  const lines = new LineCounter()
  const empty: SeedDocument = { users: [], clients: [], resource_servers: [] }
  if (text.length > maximumLength) {
    const problems = [{ path: '', code: 'too_long', params: { max: maximumLength } }]
    return { document: empty, problems, withLines: (list) => [...list] }
  }
  const yaml = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const withLines = (problems: readonly Problem[]) =>
    problems.map((problem) => ({ ...problem, line: problem.line ?? lineOf(yaml, lines, problem.path) }))
  if (yaml.errors.length > 0) {
    const problems = yaml.errors.map((error) => ({
      path: '',
      code: 'not_yaml',
      params: { reason: error.message },
      line: lines.linePos(error.pos[0]).line,
    }))
    return { document: empty, problems, withLines }
  }
  const content = toPlain(yaml)
  return { ...readContent(content), withLines }
}

// Aliases may repeat a part of the document, but not multiply its size.
function toPlain(yaml: Document): unknown {
  try {
    return yaml.toJS({ maxAliasCount: 50 })
  } catch {
    // The aliases are too many: the caller reports the document.
    return undefined
  }
}

function readContent(content: unknown): { document: SeedDocument; problems: Problem[] } {
  const document: Record<(typeof sections)[number], Record<string, unknown>[]> = {
    users: [],
    clients: [],
    resource_servers: [],
  }
  if (!isRecord(content)) {
    return { document, problems: [{ path: '', code: 'seed_not_mapping' }] }
  }
  const problems: Problem[] = []
  for (const [key, value] of Object.entries(content)) {
    const section = sections.find((known) => known === key)
    if (!section) problems.push(unknownKey('', key, sections))
    else if (!Array.isArray(value)) problems.push({ path: key, code: 'not_list', params: { max: 10_000 } })
    else {
      problems.push(
        ...value.flatMap((entry, index) =>
          isRecord(entry) ? [] : [{ path: `${key}[${index}]`, code: 'not_mapping' }],
        ),
      )
      // An invalid entry keeps its position, so that the indexes of the others are right.
      document[section] = value.map((entry) => (isRecord(entry) ? entry : {}))
    }
  }
  return { document, problems }
}

/** The line of a path such as `clients[0].redirect_uris[1]`, or of its nearest parent. */
function lineOf(yaml: Document, lines: LineCounter, path: string): number | undefined {
  let node: unknown = yaml.contents
  let offset: number | undefined
  for (const step of path.split(/[.[\]]+/).filter((part) => part !== '')) {
    if (isSeq(node)) node = node.items[Number(step)]
    else if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : '') === step)
      if (!pair) break
      if (isScalar(pair.key)) offset = pair.key.range?.[0]
      node = pair.value
      continue
    } else break
    offset = (node as { range?: [number, number, number] } | undefined)?.range?.[0] ?? offset
  }
  return offset === undefined ? undefined : lines.linePos(offset).line
}
