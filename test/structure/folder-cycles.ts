/** Finds import cycles between folders, types included. */
import path from 'node:path'
import type { SourceFile } from './source.ts'

/**
 * `src/login/routes.ts` is in `src/login`, `keys/states.ts` in `keys`. A file at the root of `src`
 * counts as a folder.
 */
export function folderOf(file: string): string {
  const [top = '', name = '', ...rest] = file.split('/')
  if (top !== 'src') return top
  return rest.length === 0 ? file : `${top}/${name}`
}

const specifier = /\b(?:from|import)[\s(]*(['"`])(\.[^'"`]+)\1/g

/** The project's own files that the file imports: values, types, and types by `import('…')`. */
export const listTargets = ({ path: file, text }: SourceFile): string[] =>
  [...text.matchAll(specifier)].map(([, , target = '']) => path.posix.join(path.posix.dirname(file), target))

export type FolderCycle = Readonly<{
  /** Sorted. */
  folders: readonly string[]
  /** The imports that form the cycle, one for each pair of folders: `from → to`. */
  imports: readonly string[]
}>

/** Groups of folders that all reach one another. Empty when the folders have an order. */
export function listFolderCycles(files: readonly SourceFile[]): FolderCycle[] {
  const edges = new Map<string, Map<string, string>>()
  for (const file of files) {
    const from = folderOf(file.path)
    const targets = edges.get(from) ?? new Map<string, string>()
    edges.set(from, targets)
    for (const target of listTargets(file)) {
      const to = folderOf(target)
      if (to !== from && !targets.has(to)) targets.set(to, `${file.path} → ${target}`)
    }
  }
  const reached = new Map([...edges.keys()].map((from) => [from, reachable(from, edges)]))
  const together = (one: string, other: string) => reached.get(one)?.has(other) && reached.get(other)?.has(one)
  const cycles = [...edges.keys()]
    .filter((folder) => reached.get(folder)?.has(folder))
    .map((folder) => [...edges.keys()].filter((other) => together(folder, other)).sort())
  const groups = Map.groupBy(cycles, (folders) => folders.join(' '))
  return [...groups.values()].map(([folders = []]) => ({
    folders,
    imports: folders.flatMap((from) =>
      [...(edges.get(from) ?? [])].filter(([to]) => folders.includes(to)).map(([, text]) => text),
    ),
  }))
}

function reachable(from: string, edges: ReadonlyMap<string, ReadonlyMap<string, string>>): Set<string> {
  const found = new Set<string>()
  const queue = [from]
  for (let folder = queue.pop(); folder !== undefined; folder = queue.pop()) {
    for (const next of edges.get(folder)?.keys() ?? []) {
      if (found.has(next)) continue
      found.add(next)
      queue.push(next)
    }
  }
  return found
}

/** Allowed cycles, each with its folders and its reason. */
export const allowedCycles: readonly Readonly<{ folders: readonly string[]; reason: string }>[] = []
