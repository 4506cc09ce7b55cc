/**
 * What the time of an answer reveals about an imported hash, from LATCHKEY_TIMING (or 10)
 * interleaved tries.
 */
import argon2 from 'argon2'
import bcrypt from 'bcrypt'
import { createMetrics } from '../../src/metrics.ts'
import { createPasswordHasher } from '../../src/passwords/hasher.ts'

const tries = Number(process.env.LATCHKEY_TIMING ?? 10)
const salt = 'c2l4dGVlbiBieXRlcw'
const result = 'GXxFKcyzC+ttyp3771S46HYYOja+pVGWMQfo12emkXc'
const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN

test('a wrong password is one task of the pool, whatever the hash it is compared with', async () => {
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
    'PBKDF2 SHA-256 1,000': `$pbkdf2-sha256$i=1000$${salt}$${result}`,
    'Argon2id of its own cost': await argon2.hash('x', { memoryCost: 65_536, timeCost: 3, parallelism: 4 }),
    'PBKDF2 SHA-256 600,000': `$pbkdf2-sha256$i=600000$${salt}$${result}`,
  }
  const names = Object.keys(hashes)
  const times = new Map<string, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round < tries; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length]!
      const began = performance.now()
      expect(await verify('not the right password', hashes[name])).toEqual({ matches: false, needsRehash: false })
      times.get(name)?.push(performance.now() - began)
    }
  }
  const count = Number(/_hash_seconds_count (\d+)/.exec(await metrics.metrics())?.[1])
  expect(count).toBe(tries * names.length)
  const usual = median(times.get('nobody')!)
  for (const name of names) {
    const ms = median(times.get(name)!)
    process.stderr.write(`${name}: ${ms.toFixed(1)} ms (${((ms / usual - 1) * 100).toFixed(1)} %)\n`)
  }
  // Far coarser than an attacker could measure, because this machine is shared. Read the figures
  // themselves.
  const least = (name: string) => Math.min(...times.get(name)!)
  for (const name of ['PBKDF2 SHA-256 1,000', 'Argon2id of its own cost']) {
    const ratio = least(name) / least('nobody')
    expect([name, ratio > 0.5, ratio < 2]).toEqual([name, true, true])
  }
}, 600_000)
