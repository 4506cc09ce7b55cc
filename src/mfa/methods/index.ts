/** The list of second factors. A new factor needs a folder beside this file and a line here. */
import type { FactorDefinition, FactorDeps, FactorPart } from '../method.ts'
import { passkey } from './passkey/index.ts'
import { recoveryCode } from './recovery-code/index.ts'
import { totp } from './totp/index.ts'

/** In the order in which a login offers them. */
export const factorList = [passkey, totp, recoveryCode] as const

export type MethodId = (typeof factorList)[number]['id']

/** A factor of the list with its operations. */
export type MfaMethod = FactorDefinition<MethodId> & FactorPart

// Stored rows may name a factor that is no longer in the list.
export const findFactor = (id: string): FactorDefinition<MethodId> | undefined =>
  factorList.find((one) => one.id === id)

/** Template files of the factors' views, by the path with which a page includes them. */
export const factorViews = (): Record<string, string> =>
  Object.fromEntries(
    factorList.flatMap(({ id, views }) =>
      Object.entries(views).map(([name, file]) => [`/factors/${id}/${name}`, file] as const),
    ),
  )

export function createMethods(deps: FactorDeps) {
  const parts = new Map<string, FactorPart>(factorList.map((factor) => [factor.id, factor.create(deps)]))
  // The map holds what the `create` of the same definition returned.
  const partOf = <Part extends FactorPart>({ id }: FactorDefinition<string, Part>) => parts.get(id) as Part
  const methods: readonly MfaMethod[] = factorList.map((factor) => ({ ...factor, ...parts.get(factor.id)! }))
  return { recoveryCodes: partOf(recoveryCode), passkeys: partOf(passkey), methods }
}
