/** What a login has proven, its level, and its names (RFC 8176). */
import type { Level } from '../authentication/levels.ts'
import { strongest } from '../authentication/levels.ts'
import type { MethodId } from './methods/index.ts'
import { findFactor } from './methods/index.ts'

export type Proof = 'password' | MethodId

/** The class of a login with these proofs. */
export function levelOf(proven: readonly Proof[]): Level {
  const hasPassword = proven.includes('password')
  const factors = proven.map(findFactor).filter((factor) => factor !== undefined)
  return strongest(...factors.filter(({ isEnoughAlone }) => hasPassword || isEnoughAlone).map(({ level }) => level))
}

/** Authentication method references (RFC 8176 §2). */
export function amrOf(proven: readonly Proof[]): string[] {
  const own = proven.flatMap((proof) => (proof === 'password' ? ['pwd'] : (findFactor(proof)?.amr ?? [])))
  return [...new Set([...own, ...(levelOf(proven) === 'password' ? [] : ['mfa'])])]
}
