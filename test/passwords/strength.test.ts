/** Passwords that few guesses find, estimated in a separate thread. */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createStrengthEstimator } from '../../src/passwords/strength.ts'

function counting(options: Partial<Parameters<typeof createStrengthEstimator>[0]> = {}) {
  const warnings: unknown[] = []
  const log = { warn: (...told: unknown[]) => void warnings.push(told) } as never
  return { ...createStrengthEstimator({ log, ...options }), warnings }
}
const strength = counting()
afterAll(() => strength.close())

test.each([
  'aaaaaaaaaaaa',
  '111111111111',
  'abcdefghijkl',
  'qwertyqwerty',
  'password12345',
  'P@ssw0rd1234',
  'Welcome12345',
  'iloveyou1234',
  'letmein12345',
  '            ',
  'Ｐ＠ｓｓｗ０ｒｄ１２３４',
  'asdfghjkl;zx',
  'Liverpool1234',
  'abcabcabcabc',
  '爱爱爱爱爱爱爱爱爱爱爱爱',
  '@dm1n1str@t0r',
  '1qaz2wsx3edc',
  'drowssapdrowssap',
  // The first 64 characters are blanks, or end with blanks.
  `password12345${' '.repeat(60)}`,
  `${'\u200B'.repeat(64)}password12345`,
  `password${'\u3000'.repeat(60)}12345`,
  // Rows of a Russian keyboard, and words typed in the wrong keyboard layout.
  'йцукенгшщзхъ',
  'ЙЦУКЕНйцукен',
  'фывапролджэ123',
  'зфыыцщкв12345',
  'пароль123456',
])('fewer than 10^8 guesses find %j', async (password) => {
  expect(await strength.judge(password)).toBe('guessable')
})

test.each([
  'wonderland tea party',
  'lanterns over the quiet river',
  'lanternsoverthequietriver',
  'xkcdqpfjwmtz',
  'correct horse battery staple',
  'zwölf Zeiche',
  'שלום וברכה לכולם',
  'Тихий вечер над рекой',
  '  two  blanks  are  kept  ',
  'a lantern\u200B\u200Bfloats',
])('more than 10^8 guesses are needed for %j', async (password) => {
  expect(await strength.judge(password)).toBe('good')
})

test('only the first 64 characters are judged', async () => {
  expect(await strength.judge(`${'a'.repeat(64)} lanterns over the quiet river`)).toBe('guessable')
  expect(await strength.judge(`${'a'.repeat(32)} lanterns over the quiet river`)).toBe('good')
})

test('the event loop continues while hostile text is judged', async () => {
  await strength.judge('warm up')
  const hostile = ['a@4', '4@$3!1|0', 'p@$$w0rd', '1234567890', '01012000', '1|!i', 'aabbccdd11223344']
  const before = performance.eventLoopUtilization()
  const verdicts = await Promise.all(hostile.map((text) => strength.judge(text.repeat(64).slice(0, 128))))
  const { utilization } = performance.eventLoopUtilization(before)
  expect(verdicts).not.toContain('unjudged')
  // In the event loop they would take nearly all of this time: each needs 50 to 130 ms of a core.
  expect(utilization).toBeLessThan(0.5)
})

test('the thread is started at the first request, and ended when idle', async () => {
  const { judge, isLoaded } = counting({ idleMs: 1 })
  expect(isLoaded()).toBe(false)
  const asked = judge('aaaaaaaaaaaa')
  expect(isLoaded()).toBe(true)
  await asked
  while (isLoaded()) await new Promise(setImmediate)
  expect(await judge('aaaaaaaaaaaa')).toBe('guessable')
})

test('a thread that does not answer in time, or fails, is ended, and a new one answers the next request', async () => {
  const file = join(tmpdir(), `latchkey-thread-${process.pid}.mjs`)
  writeFileSync(
    file,
    `import { parentPort } from 'node:worker_threads'
     parentPort.on('message', (text) => { if (text === 'hang') for (;;); if (text === 'fail') throw new Error('x'); parentPort.postMessage(1e9) })
     parentPort.postMessage('ready')`,
  )
  const { judge, warnings } = counting({ file, limitMs: 200 })
  expect(await Promise.all([judge('hang'), judge('other')])).toEqual(['unjudged', 'good'])
  expect(await Promise.all([judge('fail'), judge('other')])).toEqual(['unjudged', 'good'])
  expect(warnings).toHaveLength(2)
  expect(JSON.stringify(warnings)).not.toMatch(/hang|fail/)
})

test('without a thread a password is unjudged, and the log has one warning', async () => {
  const { judge, warnings } = counting({ file: join(tmpdir(), 'latchkey-no-such-thread.mjs') })
  expect(await judge('aaaaaaaaaaaa')).toBe('unjudged')
  expect(warnings).toHaveLength(1)
})

test('requests beyond the queue are refused with 503', async () => {
  const { judge } = counting({ queue: 1 })
  const outcomes = await Promise.allSettled([judge('aaaaaaaaaaaa'), judge('aaaaaaaaaaaa'), judge('aaaaaaaaaaaa')])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
  expect(outcomes[2]).toMatchObject({ reason: { code: 'hashing_busy', status: 503 } })
})
