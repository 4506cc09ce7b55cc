/** Help and usage: for every command, with valid examples, without opening a database. */
import { commands } from '../../src/cli/commands.ts'
import { createProgram } from '../../src/cli/program.ts'
import { createSentences } from '../../src/locales.ts'
import { latchkey } from './command-line.ts'

const { t } = createSentences({ isStrict: true })

test.each(commands.map((command) => [command.name, command] as const))('%s has help with examples', (name, command) => {
  let printed = ''
  const write = (text: string) => {
    printed += text
    return true
  }
  const io = { stdout: { write }, stderr: { write } } as never
  const program = createProgram({ commands, t, version: '0', io, isJson: false, run: async () => {} })
  expect(() => program.parse([...name.split(' '), '--help'], { from: 'user' })).toThrow('outputHelp')
  expect(printed).toContain('--json')
  for (const example of command.examples) expect(printed).toContain(example)
})

test.each(commands.flatMap(({ examples }) => examples.map((example) => [example])))(
  'the example parses: %s',
  async (example) => {
    const words = [
      ...example
        .replace(/^.*?latchkey /, '')
        .replace(/ <.*$/, '')
        .matchAll(/"([^"]*)"|(\S+)/g),
    ]
    let isRun = false
    const io = { stdout: { write: () => true }, stderr: { write: () => true } } as never
    const run = async () => {
      isRun = true
    }
    // Words such as notes:read="Read your notes" keep their quotes here, which commander accepts.
    await createProgram({ commands, t, version: '0', io, isJson: false, run }).parseAsync(
      words.map((match) => match[1] ?? match[2] ?? '').filter((word) => !/^(your|notes")$/.test(word)),
      { from: 'user' },
    )
    expect(isRun).toBe(true)
  },
)

test.each([
  [['clinet', '--json'], /'clinet'(.|\n)*client/],
  [['client', 'show', '--json'], /'client-id'/],
  [['client', 'add', '--knd', 'web', '--json'], /'--knd'(.|\n)*--kind/],
])('with --json a usage error is JSON and names the right word: latchkey %j', async (args, message) => {
  const { code, stderr } = await latchkey(args)
  expect(code).toBe(2)
  expect(JSON.parse(stderr)).toEqual({
    error: { code: 'usage', message: expect.stringMatching(message), problems: [] },
  })
})

test.each([
  [['--help'], 0],
  [['client', '--help'], 0],
  [['--version'], 0],
  [[], 2],
  [['client'], 2],
  [['nonsense'], 2],
  [['client', 'list', '--nonsense'], 2],
  [['client', 'show'], 2],
  [['client', 'show', 'a', 'b'], 2],
  [['client', 'add', '--kind', 'toaster'], 2],
  [['client', 'rotate-secret', 'x', '--keep-old'], 2],
])('latchkey %j ends with %i', async (args, code) => {
  expect(await latchkey(args)).toMatchObject({ code })
})

test('an error output contains no stack trace', async () => {
  const { stderr } = await latchkey(['client', 'list'], {
    env: { DATABASE_URL: 'postgres://localhost:1/x?sslmode=disable' },
  })
  expect(stderr).not.toMatch(/\n\s+at /)
})
