/** Conventions that a machine can check: some values are read or written in one file only. */
import { stripTypeScriptTypes } from 'node:module'
import { listFiles } from './source.ts'

const server = listFiles(['src', 'adapters', 'keys', 'migrations'])
const views = listFiles(['views', 'src'], ['.ejs'])

/** Lines of code that match, as `path:line`. Lines that are only a comment are skipped. */
function findLines(files: typeof server, pattern: RegExp, isAllowed: (path: string) => boolean): string[] {
  return files
    .filter(({ path }) => !isAllowed(path))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .map((line, index) => ({ line: line.replace(/(^|\s)(\/\/|\/?\*).*$/, ''), place: `${path}:${index + 1}` }))
        .filter(({ line }) => pattern.test(line))
        .map(({ place }) => place),
    )
}
const only =
  (...places: string[]) =>
  (path: string) =>
    places.some((place) => path.startsWith(place))

const rules: [rule: string, pattern: RegExp, allowed: (path: string) => boolean, violation: string][] = [
  [
    'the environment is read in main and cli',
    /\bprocess\.env\b/,
    only('src/main.ts', 'src/cli.ts'),
    'process.env.ISSUER',
  ],
  [
    'only src/outbound makes outbound requests',
    /(?<![\w.])fetch\(|\bhttps?\.(request|get)\(|from 'undici'/,
    only('src/outbound/'),
    "const answer = await fetch('https://example.com')",
  ],
  [
    'the time comes from the clock',
    /\bDate\.now\(|\bnew Date\(\)/,
    // The log's own timestamps.
    only('src/clock.ts', 'src/log.ts'),
    'const expired = row.expiresAt < Date.now()',
  ],
  [
    'SQL gets the time as a value: only the queue uses its own time',
    /\b(SELECT|UPDATE|DELETE|INSERT|WHERE|SET|VALUES|DEFAULT|AND|OR)\b[^$]*(?<![.\w])now\(\)|\b(CURRENT_TIMESTAMP|(current|clock)_timestamp)\b/,
    // This SQL is in a string, because code also calls its own clock `now`.
    only('src/jobs/'),
    "DELETE FROM artifact WHERE expires_at < now()'",
  ],
  ['randomness is cryptographic', /\bMath\.random\(/, only(), 'const id = Math.random()'],
  ['no code waits with Atomics.wait', /\bAtomics\.wait\(/, only(), 'Atomics.wait(cell, 0, 0, 500)'],
]

test.each(rules)('%s', (_rule, pattern, isAllowed, violation) => {
  expect(findLines([{ path: 'src/planted.ts', text: violation }], pattern, isAllowed)).toHaveLength(1)
  expect(findLines(server, pattern, isAllowed)).toEqual([])
})

// An object literal spread into another one switches off the check for unknown properties.
const literalSpread = /\.\.\.\{|\.\.\.\[[^\]]*\],?$/
const everyFile = listFiles(['src', 'adapters', 'keys', 'migrations', 'test', 'bench', 'examples'])

test('no literal is spread into another literal', () => {
  const planted = ['  ...{ action, adress: address, ip },', "  ...['id', 'name'],"]
  for (const text of planted) {
    expect(findLines([{ path: 'src/planted.ts', text }], literalSpread, only())).toHaveLength(1)
  }
  expect(findLines(everyFile, literalSpread, only('test/structure/conventions.test.ts'))).toEqual([])
})

/** Lines with an unchecked cast and no comment on that line or the line before, as `path:line`. */
function findBareCasts(files: typeof server): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split('\n')
    return lines.flatMap((line, index) => {
      const code = line.replace(/(^|\s)(\/\/|\/?\*).*$/, '')
      if (!/\bas (never|unknown as)\b/.test(code)) return []
      const isExplained = code !== line || /^\s*(\/\/|\/?\*)/.test(lines[index - 1] ?? '')
      return isExplained ? [] : [`${path}:${index + 1}`]
    })
  })
}

test('an unchecked cast has a comment with its reason', () => {
  const plant = (text: string) => findBareCasts([{ path: 'src/planted.ts', text }])
  expect(plant('const link = row as never')).toEqual(['src/planted.ts:1'])
  expect(plant('const first = 1\nconst link = row as unknown as Link')).toEqual(['src/planted.ts:2'])
  expect(plant('// The column is checked by the table.\nconst link = row as unknown as Link')).toEqual([])
  expect(plant('const link = row as never // the column is checked by the table')).toEqual([])
  expect(findBareCasts(server)).toEqual([])
})

test('views print with <%= and use <%- for includes only', () => {
  const raw = /<%-(?!\s*include\()/
  expect(raw.test('<%- client.name %>')).toBe(true)
  expect(views.length).toBeGreaterThan(0)
  expect(findLines(views, raw, only())).toEqual([])
})

test('views have no inline script, style or handler, which the content security policy refuses', () => {
  const inline = /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:/i
  expect(inline.test('<a onclick="go()">')).toBe(true)
  // An email has no content security policy, and most email programs read inline styles only.
  expect(findLines(views, inline, only('views/email/'))).toEqual([])
})

test('types are erasable and imported by their own statement', () => {
  const mixed = /^(import|export) \{[^}]*\btype [A-Z]/
  expect(findLines(server, mixed, only())).toEqual([])
  for (const { text } of server) expect(() => stripTypeScriptTypes(text)).not.toThrow()
})

test('every file begins with a comment', () => {
  expect(server.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path)).toEqual([])
})
