/**
 * Many accounts for a measurement. Each login uses another one, so that no limit of one account or
 * address applies.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import argon2 from 'argon2'
import type { Credentials } from './authorize.ts'
import type { MeasuredLatchkey } from './servers.ts'

export const password = 'lanterns over the quiet river'

export type HashCost = { memoryKiB: number; iterations: number; parallelism: number }
/** The server's defaults, and the minimum that it accepts. */
export const hashCost: HashCost = { memoryKiB: 65_536, iterations: 3, parallelism: 4 }
export const floorCost: HashCost = { memoryKiB: 19_456, iterations: 2, parallelism: 1 }

/** The environment of a server that hashes at this cost. */
export const hashEnv = ({ memoryKiB, iterations, parallelism }: HashCost): Record<string, string> => ({
  PASSWORD_HASH_MEMORY_KIB: String(memoryKiB),
  PASSWORD_HASH_ITERATIONS: String(iterations),
  PASSWORD_HASH_PARALLELISM: String(parallelism),
})

export type Group = {
  name: string
  kind: 'usual' | 'disabled' | 'passwordless'
  count: number
  /**
   * Imported from another system, or older than a raised cost. Without it, a hash of today's cost.
   */
  passwordHash?: string
}

/**
 * Account `index` of the group `name`. All addresses of a measurement have one length, and so have
 * their pages.
 */
export const personOf = (name: string, index: number): Credentials => ({
  email: `${name.padEnd(14, '-')}-${String(index).padStart(5, '0')}@people.example`,
  password,
})

/**
 * The IP address of the `index`th try: another /24 each time, of the range reserved for benchmarks
 * (RFC 2544). Needs `behindProxy`.
 */
export const ipHeader = (index: number): Record<string, string> => ({
  'x-forwarded-for': `198.${18 + ((index >> 8) & 1)}.${index & 255}.${1 + ((index >> 9) % 250)}`,
})

/** The environment of a server that trusts `ipHeader`. */
export const behindProxy = { TRUST_PROXY: '127.0.0.1,::1' }

/** The accounts as lines of an import. One hash serves all, because its cost is the same. */
export async function peopleLines(groups: readonly Group[], cost: HashCost = hashCost): Promise<string[]> {
  const { memoryKiB: memoryCost, iterations: timeCost, parallelism } = cost
  const hash = await argon2.hash(password, { type: argon2.argon2id, memoryCost, timeCost, parallelism })
  return groups.flatMap(({ name, kind, count, passwordHash = hash }) =>
    Array.from({ length: count }, (_, index) =>
      JSON.stringify({
        email: personOf(name, index).email,
        email_verified: true,
        ...(kind !== 'passwordless' && { password_hash: passwordHash }),
        ...(kind === 'disabled' && { disabled: true }),
      }),
    ),
  )
}

/** Imports the accounts next to the running server. */
export async function importPeople(server: MeasuredLatchkey, folder: string, lines: readonly string[]): Promise<void> {
  const file = join(folder, 'people.jsonl')
  writeFileSync(file, `${lines.join('\n')}\n`)
  await server.command('user', 'import', file)
}
