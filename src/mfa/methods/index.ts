/** The second factors there are: one list. A new one is a folder beside this file, and a line here. */
import type { Clock } from '../../clock.ts'
import type { Queryable } from '../../database/database.ts'
import type { Random } from '../../random.ts'
import type { MfaMethod } from '../method.ts'
import { createPasskeys } from './passkey/method.ts'
import { createRecoveryCodes } from './recovery-code/method.ts'
import { createTotp } from './totp/method.ts'

type Seals = Parameters<typeof createTotp>[0]['sealer']
type Deps = {
  issuer: string
  passkeyKey: Buffer
  db: Queryable
  sealer: Seals
  serviceName: () => string
  clock: Clock
  random: Random
}

/** In the order in which a login offers them. */
export function createMethods(deps: Deps) {
  const totp = createTotp(deps)
  const recoveryCodes = createRecoveryCodes(deps)
  const passkeys = createPasskeys({ ...deps, key: deps.passkeyKey })
  const methods: readonly MfaMethod[] = [passkeys, totp, recoveryCodes]
  return { totp, recoveryCodes, passkeys, methods }
}
