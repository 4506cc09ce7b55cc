/** Checks a client's metadata and secret together. */
import type { Problem } from '../problems.ts'
import type { ClientInput } from './client.ts'
import { keyMethod } from './key-set.ts'
import { idTokenAlgorithms, validateClient } from './lint.ts'
import type { ClientProfile } from './profiles.ts'
import { clientProfiles } from './profiles.ts'
import { checkSecret } from './secrets.ts'

type Rules = Readonly<{
  /** Allows loopback http redirects for every kind. */
  isDevelopment: boolean
  /** Known sample secrets: refused in production, empty elsewhere. */
  refusedSecrets: readonly string[]
  /** The available signing algorithms of ID tokens. Absent when only the form is checked. */
  offeredAlgorithms?: () => readonly string[]
}>

/** With no problems the client may be stored, and the database's constraints hold too. */
export function checkClient(input: ClientInput, rules: Rules): Problem[] {
  const { isDevelopment, refusedSecrets } = rules
  const { metadata, problems: found } = validateClient(input, { isDevelopment })
  const problems = [
    ...found,
    ...checkOffered(metadata.id_token_signed_response_alg, rules.offeredAlgorithms?.() ?? idTokenAlgorithms),
  ]
  if (input.secret === undefined) return problems
  const profile: ClientProfile | undefined = clientProfiles[input.kind]
  if (metadata.token_endpoint_auth_method === keyMethod)
    return [...problems, { path: 'client_secret', code: 'keys_no_secret' }]
  if (profile && !profile.isConfidential) return [...problems, { path: 'client_secret', code: 'public_has_no_secret' }]
  return [...problems, ...checkSecret(input.secret, refusedSecrets)]
}

/** A chosen algorithm must have a key. The lint reports unknown algorithms. */
function checkOffered(algorithm: string, offered: readonly string[]): Problem[] {
  if (!idTokenAlgorithms.includes(algorithm) || offered.includes(algorithm)) return []
  const params = { allowed: offered.join(', ') }
  return [{ path: 'id_token_signed_response_alg', code: 'not_one_of', params }]
}
