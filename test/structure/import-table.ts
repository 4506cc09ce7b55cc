/** Which files may import which values: one table, and a function that finds violations. */
import type { Import, SourceFile } from './source.ts'
import { listImports } from './source.ts'

type Row = {
  from: string
  /** A file's row is the first one whose pattern matches its path. */
  files: RegExp
  /** Paths whose values the row may import. `<own>` is the file's own folder below `src`. */
  may: readonly string[]
  /** Allowed packages; `*` is any. Node's own modules are always allowed. */
  packages: readonly string[]
}

/** Files at the root of `src`, below the composition, that every folder may import. */
const leaves = [
  'src/clock.ts',
  'src/errors.ts',
  'src/public-keys.ts',
  'src/locales.ts',
  'src/log.ts',
  'src/metrics.ts',
  'src/origin.ts',
  'src/problems.ts',
  'src/random.ts',
]

/** Tables that other features derive their behaviour from: a new line applies to all of them. */
const tables = ['src/accounts/fields.ts', 'src/authentication/levels.ts']

/** The packages that a folder may import. Other packages are passed in as arguments. */
const subjects: Readonly<Record<string, readonly string[]>> = {
  accounts: ['tr46'],
  config: ['fastest-levenshtein', 'ipaddr.js', 'zod'],
  database: ['knex', 'pg', 'prom-client'],
  captcha: ['altcha-lib', 'altcha-lib/algorithms/pbkdf2'],
  http: ['@koa/router', 'content-type', 'ejs', 'ipaddr.js', 'koa', 'koa-helmet', 'proxy-addr', 'raw-body', 'zod'],
  limits: ['prom-client'],
  jobs: ['graphile-worker', 'pg', 'prom-client'],
  logout: ['prom-client'],
  outbound: ['ipaddr.js', 'prom-client', 'undici'],
  mfa: ['@simplewebauthn/server', '@simplewebauthn/server/helpers', 'otpauth', 'prom-client', 'uqr', 'zod'],
  email: ['ejs', 'nodemailer', 'prom-client'],
  passwords: [
    'argon2',
    'bcrypt',
    'prom-client',
    '@zxcvbn-ts/core',
    '@zxcvbn-ts/language-common',
    '@zxcvbn-ts/language-en',
  ],
  revocation: ['prom-client'],
  redis: ['ioredis'],
  sessions: ['bowser', 'maxmind'],
  seed: ['yaml', 'zod'],
}

/** The folders whose parts the doctor opens or reads. */
const examined = [
  'accounts',
  'clients',
  'database',
  'email',
  'outbound',
  'passwords',
  'process-registry',
  'redis',
  'resource-servers',
  'seed',
  'settings',
]

const engine = ['ioredis', 'jose', 'knex', 'oidc-provider', 'pg', 'prom-client'] as const

export const table: readonly Row[] = [
  {
    from: 'composition',
    files: /^src\/((main|cli|supervise|server|stores|app)\.ts$|cli\/|compose\/)/,
    may: ['src/', 'adapters/', 'keys/', 'migrations/'],
    packages: ['*'],
  },
  // The only file of a feature that the composition imports. It builds its folder's services and
  // routes.
  {
    from: 'entry',
    files: /^src\/[^/]+\/index\.ts$/,
    may: ['<own>', 'src/database/row-cache.ts', 'src/jobs/duty.ts', ...leaves, ...tables],
    packages: [],
  },
  {
    from: 'routes',
    files: /^src\/[^/]+\/([a-z-]+-)?routes\.ts$/,
    may: ['src/http/', '<own>errors.ts', 'src/errors.ts', 'src/clock.ts', 'src/origin.ts', ...tables],
    packages: ['zod'],
  },
  { from: 'repository', files: /^src\/[^/]+\/([a-z-]+-)?repository\.ts$/, may: ['<own>'], packages: ['knex'] },
  {
    from: 'oidc',
    files: /^src\/oidc\//,
    may: ['<own>', 'adapters/', 'keys/', ...leaves, ...tables],
    packages: ['jose', 'koa', 'koa-compose', 'oidc-provider'],
  },
  // Adapters and keys throw their own errors, mapped in oidc/. They import only types from src.
  { from: 'adapters', files: /^adapters\//, may: ['adapters/'], packages: engine },
  { from: 'keys', files: /^keys\//, may: ['keys/'], packages: engine },
  { from: 'migrations', files: /^migrations\//, may: ['migrations/'], packages: [] },
  {
    from: 'leaves',
    files: /^src\/[^/]+\.ts$/,
    may: leaves,
    packages: ['fastest-levenshtein', 'i18next', 'pino', 'prom-client'],
  },
  // The database folder applies the list of migrations, so it imports that list.
  {
    from: 'database',
    files: /^src\/database\//,
    may: ['<own>', 'migrations/index.ts', ...leaves],
    packages: subjects.database ?? [],
  },
  // The doctor opens and reads each part of the server for its checks. `verdicts.ts` opens nothing.
  {
    from: 'doctor',
    files: /^src\/doctor\/(checks|probes|emails|samples)\.ts$/,
    may: ['<own>', 'keys/', ...examined.map((folder) => `src/${folder}/`), ...leaves],
    packages: [],
  },
  // Every other file of a feature.
  { from: 'service', files: /^src\/[^/]+\//, may: ['<own>', ...leaves, ...tables], packages: [] },
]

const isRoutes = /routes\.ts$/

/** The row of a file; every file has one. */
export function rowOf(path: string): Row {
  const row = table.find(({ files }) => files.test(path))
  if (!row) throw new Error(`${path} has no row in the import table`)
  return row
}

/** The imports of the file that the table refuses, as sentences. Empty when all are allowed. */
export function listViolations(file: SourceFile, imports: readonly Import[] = listImports(file)): string[] {
  const row = rowOf(file.path)
  const folder = file.path.split('/')[1] ?? ''
  const packages = [...row.packages, ...(row.from === 'service' ? (subjects[folder] ?? []) : [])]
  return imports
    .filter(({ target, isPackage }) => {
      if (isPackage) return !target.startsWith('node:') && !packages.includes('*') && !packages.includes(target)
      // Only the composition and the feature's own entry import routes. A service that does so
      // risks a cycle.
      const isOwn = target.startsWith(`src/${folder}/`)
      if (isRoutes.test(target) && row.from !== 'composition' && !(row.from === 'entry' && isOwn)) return true
      return !row.may.some((prefix) => target.startsWith(prefix.replace('<own>', `src/${folder}/`)))
    })
    .map(({ target }) => `${file.path} (${row.from}) must not import values from ${target}`)
}

/** The first cycle of value imports among the files, as its paths; undefined without one. */
export function findCycle(imports: ReadonlyMap<string, readonly Import[]>): string[] | undefined {
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return undefined
    for (const { target, isPackage } of imports.get(path) ?? []) {
      const cycle = isPackage ? undefined : visit(target, [...trail, path])
      if (cycle) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const path of imports.keys()) {
    const cycle = visit(path, [])
    if (cycle) return cycle
  }
  return undefined
}
