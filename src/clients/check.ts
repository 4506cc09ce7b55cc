/** Everything wrong with a client's input: its metadata and its secret together. */
import type { Problem } from '../problems.ts'
import type { ClientInput } from './client.ts'
import { lintClient } from './lint.ts'
import type { ClientProfile } from './profiles.ts'
import { clientProfiles } from './profiles.ts'
import { checkSecret } from './secrets.ts'

type Rules = Readonly<{
  /** Allows loopback http redirects for every kind. */
  isDevelopment: boolean
  /** Known sample secrets: refused in production, empty elsewhere. */
  refusedSecrets: readonly string[]
}>

/** An empty list means that the client may be kept, and that the database's constraints hold too. */
export function checkClient(input: ClientInput, { isDevelopment, refusedSecrets }: Rules): Problem[] {
  const { problems } = lintClient(input, { isDevelopment })
  if (input.secret === undefined) return problems
  const profile: ClientProfile | undefined = clientProfiles[input.kind]
  if (profile && !profile.isConfidential) return [...problems, { path: 'client_secret', code: 'public_has_no_secret' }]
  return [...problems, ...checkSecret(input.secret, refusedSecrets)]
}
