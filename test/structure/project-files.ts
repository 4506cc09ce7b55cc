/** Every text file of the checkout for the structure tests: code, documents and configuration. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { SourceFile } from './source.ts'
import { root } from './source.ts'

const ignored = readFileSync(path.join(root, '.gitignore'), 'utf8').split('\n').filter(Boolean)
const isIgnored = (name: string): boolean =>
  name === '.git' ||
  ignored.some((rule) => (rule.startsWith('*') ? name.endsWith(rule.slice(1)) : rule.replace(/\/$/, '') === name))

const isBinary = (name: string): boolean => /\.(png|ico|woff2|mmdb|gz)$/.test(name)

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    if (isIgnored(entry.name)) continue
    const file = path.posix.join(folder, entry.name)
    if (entry.isDirectory()) yield* walk(file)
    else yield file
  }
}

/** Sorted paths from the root of the project, with slashes. */
export const listProjectPaths = (): string[] => [...walk('')].sort()

/** The text files, without the lock file, which npm writes. */
export const readProjectFiles = (): SourceFile[] =>
  listProjectPaths()
    .filter((file) => !isBinary(file) && file !== 'package-lock.json')
    .map((file) => ({ path: file, text: readFileSync(path.join(root, file), 'utf8') }))

/** Targets of the relative links of a Markdown file, without the part from `#`. */
export const linkTargets = (text: string): string[] =>
  [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '')
