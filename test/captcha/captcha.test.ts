/** A solution that no widget writes is a wrong one, and no error. */
import { randomBytes } from 'node:crypto'
import { createCaptcha } from '../../src/captcha/service.ts'
import { systemRandom } from '../../src/random.ts'

const captcha = createCaptcha({
  // Nothing is spent here.
  db: undefined as never,
  signatureKey: randomBytes(32),
  solutionKey: randomBytes(32),
  clock: { now: () => 1_790_000_000_000 },
  random: systemRandom,
})
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64')

test('a malformed solution is refused', async () => {
  const challenge = await captcha.create('login')
  const solutions = [
    undefined,
    null,
    7,
    {},
    { counter: 1 },
    { counter: 1, derivedKey: 'x' },
    { counter: -1, derivedKey: '00' },
    { counter: 'one', derivedKey: '00'.repeat(32) },
    { counter: 1, derivedKey: '00'.repeat(32) },
  ]
  const texts = [
    'no base64',
    encode(null),
    encode({}),
    encode({ challenge: null }),
    encode({ challenge: { parameters: 'x', signature: 1 } }),
    encode({ challenge: { parameters: [[[{}]]], signature: {} }, solution: [] }),
    ...solutions.map((solution) => encode({ challenge, solution })),
  ]
  for (const text of texts) expect([text, await captcha.spend(text, 'login')]).toEqual([text, false])
})
