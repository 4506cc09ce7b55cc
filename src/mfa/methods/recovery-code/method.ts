/** Recovery codes: ten codes of 120 bits for a lost device. Stored as digests, valid once. */
import { createHash } from 'node:crypto'
import type { Queryable, Tx } from '../../../database/database.ts'
import type { FactorDeps, FactorPart } from '../../method.ts'
import { readCode } from '../../typed-code.ts'
import * as repository from './repository.ts'

const codes = 10
const bytesOfCode = 15
// Crockford's base 32 has no letters that look like digits.
const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const lettersOfCode = 24

export type RecoveryCodes = ReturnType<typeof createRecoveryCodes>

export function createRecoveryCodes({ db, clock, random }: FactorDeps) {
  return {
    listAddedAt: (accountId, within = db) => repository.listRecoveryCodes(within, accountId),
    check: async (tx, owner, { code = '' }) => {
      const plain = plainOf(code)
      return plain !== undefined && repository.takeRecoveryCode(tx, owner, digestOf(plain))
    },
    removeAll: (tx: Tx, accountId: string) => repository.deleteRecoveryCodes(tx, accountId),

    describeOwn: async ({ id }) => ({ count: await repository.countRecoveryCodes(db, id) }),

    count: (accountId: string, within: Queryable = db): Promise<number> =>
      repository.countRecoveryCodes(within, accountId),

    /** Replaces the codes with ten new ones. Returns them as shown to the user, only once. */
    renew: async (tx: Tx, accountId: string): Promise<string[]> => {
      const made = Array.from({ length: codes }, () => textOf(random.bytes(bytesOfCode)))
      await repository.deleteRecoveryCodes(tx, accountId)
      await repository.insertRecoveryCodes(tx, accountId, made.map(digestOf), clock.now())
      return made.map(inGroups)
    },
  } satisfies FactorPart<'code'> & Record<string, unknown>
}

/** 15 bytes as 24 letters. */
function textOf(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return Array.from({ length: lettersOfCode }, (_, at) =>
    letters.charAt(Number.parseInt(bits.slice(at * 5, at * 5 + 5), 2)),
  ).join('')
}

const inGroups = (code: string): string => code.match(/.{6}/g)!.join('-')

/** The code as it was made, from the typed text. Undefined when it cannot be a code. */
function plainOf(typed: string): string | undefined {
  const plain = readCode(typed).toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1')
  return plain.length === lettersOfCode && [...plain].every((letter) => letters.includes(letter)) ? plain : undefined
}

const digestOf = (code: string): Buffer => createHash('sha256').update(`latchkey recovery code\0${code}`).digest()
