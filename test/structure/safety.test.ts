/** SQL, commands, programs, modules and regular expressions are never built from data. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the planted lines are programs, not templates of this file
import { regexProblem } from './regex-lint.ts'
import { listFiles } from './source.ts'
import { findBuiltSql, listRegexes } from './sql-lint.ts'
import { withTypes } from './typed-source.ts'

const head = `
import type { Pool } from 'pg'
import type { Queryable } from '../database/database.ts'
import { lives } from '../../adapters/postgres/ended.ts'

const table = 'account'
const columns = ['id', 'email']
const limit = 10
const where = (column: string) => \`\${column} = ?\`

export const planted = (db: Queryable, pool: Pool, email: string, count: number, names: readonly string[]) => {
  const parts = ['true']
`
const foot = '\n}\n'

const refusedSql: readonly string[] = [
  "return db.raw(`SELECT 1 FROM account WHERE email = '${email}'`)",
  "return db.raw('SELECT 1 FROM account WHERE email = ' + email)",
  'return db.raw(email)',
  'return pool.query(`SELECT 1 FROM ${email}`)',
  "return pool.query({ name: 'a', text: `SELECT 1 FROM ${email}` })",
  "return db('account').whereRaw(`email = '${email}'`)",
  "return db('account').orderByRaw(email)",
  'const text = `SELECT ${email}`\n  return db.raw(text)',
  "let text = 'SELECT 1'\n  text += email\n  return db.raw(text)",
  "return db.raw(`SELECT ${names.join(', ')} FROM account`)",
  "parts.push(email)\n  return db.raw(`SELECT 1 WHERE ${parts.join(' AND ')}`)",
  'const bad = (value: string) => db.raw(`SELECT ${value}`)\n  return bad(email)',
  "return db.raw('SELECT ?'.replace('?', email))",
]

const allowedSql: readonly string[] = [
  "return db.raw('SELECT 1 FROM account WHERE email = ?', [email])",
  'return db.raw(`SELECT 1 FROM ${table}`)',
  "return db.raw(`SELECT ${columns.join(', ')} FROM account LIMIT ${limit}`)",
  'return db.raw(`SELECT 1 FROM account LIMIT ${count}`)',
  "return db.raw(`SELECT 1 FROM account WHERE ${where('email')}`, [email])",
  "return db.raw(`SELECT 1 FROM artifact a WHERE ${lives('a')}`)",
  "return db.raw(`SELECT '\\\\x${Buffer.from(email).toString('hex')}'::bytea`)",
  "const fine = (column: string) => db.raw(`SELECT ${column} FROM account`)\n  return [fine('id'), fine('email')]",
]

const regexesOfData = 'src/planted/regex.ts'
const pathOf = (list: 'refused' | 'allowed', index: number) => `src/planted/${list}-${index}.ts`
const plant = (list: 'refused' | 'allowed', bodies: readonly string[]) =>
  bodies.map((body, index): [string, string] => [pathOf(list, index), `${head}  ${body}${foot}`])

const planted = Object.fromEntries([
  ...plant('refused', refusedSql),
  ...plant('allowed', allowedSql),
  [regexesOfData, 'export const planted = (name: string) => [new RegExp(`^${name}$`), /(a+)+$/]'],
])
const { sql, regexes } = withTypes(['src', 'adapters', 'keys', 'migrations'], planted, (project) => ({
  sql: findBuiltSql(project),
  regexes: listRegexes(project),
}))
const isPlanted = (place: string) => place.startsWith('src/planted/')
const sqlIn = (file: string) => sql.filter((one) => one.startsWith(`${file}:`))

test('the text of every statement is fixed in the source', () => {
  expect(sql.filter((one) => !isPlanted(one))).toEqual([])
})

test.each(refusedSql.map((body, index) => [body, index] as const))('refused: %s', (_body, index) => {
  expect(sqlIn(pathOf('refused', index))).not.toEqual([])
})

test.each(allowedSql.map((body, index) => [body, index] as const))('allowed: %s', (_body, index) => {
  expect(sqlIn(pathOf('allowed', index))).toEqual([])
})

const explosive: readonly RegExp[] = [
  /(a+)+$/,
  /(a*)*b/,
  /(a|a)*b/,
  /(?:[^"]|\\.)*"/,
  /(\w+\s?)*$/,
  /^(?:a?b?)*c(?:d+e*)+$/,
  /(?=(x+x+)+y)/,
  /^([a-z]+)*@/i,
]
const slow: readonly RegExp[] = [/\s+$/, /^\d*\d*$/, /a+b+$/, /^[^@]+@[^@]+\.[^@]+$/, /x*y/, /a+b+/]
const harmless: readonly RegExp[] = [
  /^a+b+$/,
  /\s+/g,
  /^(?:[^"\\]|\\.)*"/,
  /^([a-z0-9]+\.)+[a-z]{2,}$/,
  /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/,
  /^(?:\d{2}:)*\d{2}$/,
  /^(?:a|b|cd)*$/u,
]

test.each(explosive)('a regular expression with exponential time is refused: %s', (regex) => {
  expect(regexProblem(regex)).toBe('takes exponential time')
})

test.each(slow)('a regular expression with polynomial time is refused: %s', (regex) => {
  expect(regexProblem(regex)).toBe('takes polynomial time')
})

test.each(harmless)('a regular expression with linear time is allowed: %s', (regex) => {
  expect(regexProblem(regex)).toBeUndefined()
})

/** Findings that are harmless, each with its reason. */
const exempt: Readonly<Record<string, string>> = {
  'src/config/breach-check.ts: takes polynomial time': 'an address of the configuration, written by the operator',
  'src/passwords/dated-words.ts: cannot be judged: a back reference': 'one character and its repetitions, read once',
  'src/passwords/dated-words.ts: made of data': 'the names of months, which the runtime gives',
  'src/passwords/spellings.ts: takes polynomial time': 'two blanks in a row always match before the end is looked for',
}
const exempted = new Set<string>()
const isExempt = (problem: string): boolean => {
  if (problem in exempt) exempted.add(problem)
  return problem in exempt
}

test('our regular expressions take linear time, and none is built from data', () => {
  const own = regexes.filter(({ place }) => !isPlanted(place))
  expect(own.length).toBeGreaterThan(100)
  const refuse = (list: typeof regexes) =>
    list.flatMap(({ place, isFixed, ...regex }) => {
      const problem = isFixed ? regexProblem(regex) : 'made of data'
      return problem && !isExempt(`${place.split(':')[0]}: ${problem}`) ? [`${place}: ${problem}`] : []
    })
  expect(refuse(regexes.filter(({ place }) => isPlanted(place)))).toEqual([
    `${regexesOfData}:1: made of data`,
    `${regexesOfData}:1: takes exponential time`,
  ])
  expect(refuse(own)).toEqual([])
})

/** Files that build expressions from fixed parts. Those are checked when they are built. */
const making = ['src/accounts/email.ts', 'src/passwords/imported-hash.ts', 'src/passwords/spellings.ts']
const makingLater = 'src/passwords/dated-words.ts'

test('regular expressions built from fixed parts take linear time', async () => {
  expect(
    regexes.filter(({ place, source }) => source === '' && !isPlanted(place)).map(({ place }) => place.split(':')[0]),
  ).toEqual(expect.arrayContaining([...making, makingLater]))
  const made: { file: string; regex: RegExp }[] = []
  let file = ''
  const original = globalThis.RegExp
  globalThis.RegExp = new Proxy(original, {
    construct(target, given: [string, string?]) {
      const regex = new target(...given)
      made.push({ file, regex })
      return regex
    },
  })
  try {
    for (file of making) await import(`../../${file}`)
    file = makingLater
    const { isDatedWord } = await import('../../src/passwords/dated-words.ts')
    isDatedWord('summer2024')
  } finally {
    globalThis.RegExp = original
  }
  expect(made.length).toBeGreaterThan(making.length)
  const problems = made.flatMap(({ file, regex }) => {
    const problem = regexProblem(regex)
    return problem ? [`${file}: ${problem}`] : []
  })
  expect(problems.filter((problem) => !isExempt(problem))).toEqual([])
  expect([...exempted].sort()).toEqual(Object.keys(exempt).sort())
})

const server = listFiles(['src', 'adapters', 'keys', 'migrations'], ['.ts', '.js'])
const views = listFiles(['views'], ['.ejs'])

// The programs of Postgres, a dictionary of one package, and Node itself.
const findingPackages = [
  'src/database/embedded/binaries.ts',
  'src/passwords/common-passwords.ts',
  'src/cli-launcher.js',
]

const rules: [rule: string, files: typeof server, pattern: RegExp, violations: readonly string[]][] = [
  [
    'a shell runs a fixed script alone, and gets values as its arguments',
    server,
    /\bimport (?!type\b|\{)[^'\n]*'(?:node:)?child_process'|\{[^}]*\bexec(?:Sync)?\b[^}]*\} from '(?:node:)?child_process'|\bshell: (?!false)|\b(?:spawn|spawnSync|execFile|execFileSync|fork)\(\s*['"`](?:[\w/]*\/)?(?:sh|bash|dash|zsh|cmd(?:\.exe)?|powershell)['"`](?!, \['-c', '[^']*', 'sh', )/,
    [
      "import { exec } from 'node:child_process'",
      "import { spawn, execSync } from 'node:child_process'",
      "import * as programs from 'node:child_process'",
      'spawn(program, args, { shell: true })',
      "spawnSync('sh', ['-c', `ls ${folder}`])",
      "spawnSync('/bin/bash', ['-c', script])",
    ],
  ],
  [
    'no text is run as a program',
    server,
    /(?<![.\w])eval\(|\bnew Function\(|(?<![.\w])Function\(|'(?:node:)?vm'|\bset(?:Timeout|Interval)\(\s*['"`]/,
    ["eval('1 + 1')", "new Function('return 1')", "import vm from 'node:vm'", "setTimeout('stop()', 10)"],
  ],
  [
    'a module is loaded by a name that stands in the source',
    server,
    /(?<![.\w])import\((?!'[^'$]+'\))|(?<![.\w])require\(/,
    ['await import(name)', 'await import(`./${kind}.ts`)', "require('./kinds')"],
  ],
  [
    'only these files find packages at run time, each by a name of a fixed list',
    server.filter(({ path }) => !findingPackages.includes(path)),
    /\bcreateRequire\b/,
    ['createRequire(import.meta.url)(name)'],
  ],
  ['views include other views by a name that stands in them', views, /<%-\s*include\((?!')/, ['<%- include(page) %>']],
  ['views print everything else escaped', views, /<%-(?!\s*include\()/, ['<%- client.name %>']],
]

const linesThatMatch = (files: typeof server, pattern: RegExp): string[] =>
  files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const code = line.replace(/^\s*(?:\/\/|\/?\*).*$/, '')
      return pattern.test(code) ? [`${path}:${index + 1}`] : []
    }),
  )

test.each(rules)('%s', (_rule, files, pattern, violations) => {
  for (const text of violations) expect(linesThatMatch([{ path: 'planted', text }], pattern)).toHaveLength(1)
  expect(linesThatMatch(files, pattern)).toEqual([])
})
