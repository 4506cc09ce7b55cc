/** The source for the structure tests: which files exist, and what each one imports at run time. */
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import path from 'node:path'
import { SourceTextModule } from 'node:vm'

export const root = path.resolve(import.meta.dirname, '../..')

export type SourceFile = {
  /** From the root of the project, with slashes. */
  path: string
  text: string
}

/** Every file below the folders whose name ends in one of `endings`, sorted. */
export function listFiles(folders: readonly string[], endings: readonly string[] = ['.ts']): SourceFile[] {
  return folders
    .flatMap((folder) => readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({
      path: path.relative(root, file).replaceAll(path.sep, '/'),
      text: readFileSync(file, 'utf8'),
    }))
}

export type Import = {
  /** A path from the root of the project for a project file, else a package's name or `node:…`. */
  target: string
  isPackage: boolean
}

/** The value imports of the file: types are stripped, and V8 lists the imports that remain. */
export function listImports(file: SourceFile): Import[] {
  const code = stripTypeScriptTypes(file.text)
  const statically = new SourceTextModule(code, { identifier: file.path }).moduleRequests.map(
    ({ specifier }) => specifier,
  )
  const dynamically = [...code.matchAll(/\bimport\(\s*(['"`])([^'"`]*)\1/g)].map((match) => match[2] ?? '')
  return [...new Set([...statically, ...dynamically])].map((specifier) => {
    if (!specifier.startsWith('.')) return { target: packageName(specifier), isPackage: true }
    return { target: path.posix.join(path.posix.dirname(file.path), specifier), isPackage: false }
  })
}

/**
 * `knex/lib/x` becomes knex, `@koa/router/x` becomes @koa/router, `node:fs/promises` is unchanged.
 */
function packageName(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
