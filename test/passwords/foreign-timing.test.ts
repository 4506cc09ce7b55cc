/** What the time of an answer tells about a hash from elsewhere, in figures: LATCHKEY_TIMING=50 runs so many interleaved tries and prints them. */
import bcrypt from 'bcrypt'
import { createMetrics } from '../../src/metrics.ts'
import { createPasswordHasher } from '../../src/passwords/hasher.ts'

const tries = Number(process.env.LATCHKEY_TIMING ?? 0)
const salt = 'c2l4dGVlbiBieXRlcw'
const result = 'GXxFKcyzC+ttyp3771S46HYYOja+pVGWMQfo12emkXc'
const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN

test('a wrong password is one work of the pool, whatever the hash it is held against', async () => {
  const metrics = createMetrics()
  const { verify } = createPasswordHasher({
    memoryKiB: 65_536,
    iterations: 3,
    parallelism: 4,
    slots: 2,
    queue: 16,
    metrics,
  })
  const hashes: Record<string, string | undefined> = {
    nobody: undefined,
    'nobody again': undefined,
    'bcrypt 10': bcrypt.hashSync('x', 10),
    'bcrypt 12': bcrypt.hashSync('x', 12),
    'scrypt 2^15': `$scrypt$ln=15,r=8,p=1$${salt}$${result}`,
    'scrypt 2^17': `$scrypt$ln=17,r=8,p=1$${salt}$${result}`,
    'PBKDF2 SHA-256 600,000': `$pbkdf2-sha256$i=600000$${salt}$${result}`,
  }
  const names = Object.keys(hashes)
  const times = new Map<string, number[]>(names.map((name) => [name, []]))
  const rounds = Math.max(1, tries)
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length]!
      const began = performance.now()
      expect(await verify('not the right password', hashes[name])).toEqual({ matches: false, needsRehash: false })
      times.get(name)?.push(performance.now() - began)
    }
  }
  const count = Number(/_hash_seconds_count (\d+)/.exec(await metrics.metrics())?.[1])
  expect(count).toBe(rounds * names.length)
  const usual = median(times.get('nobody')!)
  for (const name of tries > 0 ? names : []) {
    const ms = median(times.get(name)!)
    process.stderr.write(`${name}: ${ms.toFixed(1)} ms (${((ms / usual - 1) * 100).toFixed(1)} %)\n`)
  }
}, 600_000)
