/** No error is dropped without a reason beside it, and no test waits for a fixed time. */
import { listFiles } from './source.ts'

type Files = ReturnType<typeof listFiles>

const everyFile = listFiles(
  ['src', 'adapters', 'keys', 'migrations', 'test', 'bench', 'examples'],
  ['.ts', '.js', '.mjs'],
).filter(({ path }) => !['test/mutants/list.ts', 'test/structure/swallowed.test.ts'].includes(path))

/** A handler that does not look at the error. */
const dropsError = /\bcatch \{|\.catch\((?:async )?\(\) =>|\b(?:on|once)\('error', \(\) =>/

const isComment = (line = ''): boolean => /^\s*(?:\/\/|\/?\*)/.test(line)

/** Handlers without a comment on their line or on a line next to it, as `path:line`. */
function findSilent(files: Files): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split('\n')
    return lines.flatMap((line, index) => {
      if (isComment(line) || !dropsError.test(line)) return []
      const isExplained = / \/\/ /.test(line) || isComment(lines[index - 1]) || isComment(lines[index + 1])
      return isExplained ? [] : [`${path}:${index + 1}`]
    })
  })
}

test('an error handler that ignores its error has a comment with the reason', () => {
  const plant = (text: string) => findSilent([{ path: 'src/planted.ts', text }])
  for (const text of [
    'try {\n  await send()\n} catch {\n  return undefined\n}',
    'await send().catch(() => {})',
    'await send().catch(async () => undefined)',
    "socket.on('error', () => {})",
    "socket.once('error', () => resolve(false))",
  ]) {
    expect(plant(text)).toHaveLength(1)
    expect(plant(text.replace(/^(.*(?:catch|error).*)$/m, '// The reason.\n$1'))).toEqual([])
  }
  expect(plant('try {\n  await send()\n} catch {\n  // The reason.\n  return undefined\n}')).toEqual([])
  expect(plant('await send().catch((error) => log.warn({ err: error }))')).toEqual([])
  expect(findSilent(everyFile)).toEqual([])
})

const waits =
  /\bset(?:Timeout|Interval)\(|'(?:node:)?timers\/promises'|\bpg_sleep\b|\bwaitForTimeout\(|\bAtomics\.wait\(/

/** Test files with a timer, each with the reason why it does not wait for a result. */
const timers: Readonly<Record<string, string>> = {
  'test/database/database.test.ts': 'a statement that is longer than its limit',
  'test/database/migrate.test.ts': 'a migration that is longer than the limit of a statement',
  'test/faults/account-reset/tries.ts': 'the distance between two requests of a race is what the tries differ in',
  'test/keys/rotation.test.ts': 'keeps a process running until it is killed',
  'test/mutants/trial.ts': 'the longest time of a trial',
  'test/oidc/backchannel-logout.test.ts': 'a client that answers late',
  'test/security/wire.ts': 'the longest time of a connection',
  'test/support/wait.ts': 'the pause between two looks at a condition',
  'test/support/watchdog.test.ts': 'keeps a process running until it is killed',
}

function findWaits(files: Files): string[] {
  return files
    .filter(({ text }) => text.split('\n').some((line) => !isComment(line) && waits.test(line)))
    .map(({ path }) => path)
}

test('a test waits for a condition, never for a fixed time', () => {
  for (const text of [
    'await new Promise((resolve) => setTimeout(resolve, 1500))',
    "import { setTimeout as sleep } from 'node:timers/promises'",
    "await knex.raw('SELECT pg_sleep(0.1)')",
    'await page.waitForTimeout(100)',
  ]) {
    expect(findWaits([{ path: 'test/planted.test.ts', text }])).toEqual(['test/planted.test.ts'])
  }
  const inTests = everyFile.filter(({ path }) => /^test\/(?!structure\/)/.test(path))
  expect(findWaits(inTests)).toEqual(Object.keys(timers))
})
