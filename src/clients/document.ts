/** A client as a flat document (seed, `--json`), with RFC 7591's names and Latchkey's own. */
import type { Problem } from '../problems.ts'
import { unknownKey } from '../problems.ts'
import { checkClient } from './check.ts'
import type { Client, ClientInput } from './client.ts'
import { metadataKeys } from './lint.ts'

const text = { type: 'string', code: 'not_string' }
const flag = { type: 'boolean', code: 'not_boolean' }
const number = { type: 'number', code: 'not_number' }
const ownKeys: Readonly<Record<string, { field: keyof ClientInput; type: string; code: string }>> = {
  client_id: { field: 'clientId', ...text },
  client_secret: { field: 'secret', ...text },
  kind: { field: 'kind', ...text },
  first_party: { field: 'isFirstParty', ...flag },
  require_pkce: { field: 'requirePkce', ...flag },
  refresh_grace_seconds: { field: 'refreshGraceSeconds', ...number },
  refresh_rotation: { field: 'rotatesRefreshTokens', ...flag },
  refresh_idle_seconds: { field: 'refreshIdleSeconds', ...number },
  refresh_absolute_seconds: { field: 'refreshAbsoluteSeconds', ...number },
  disabled: { field: 'isDisabled', ...flag },
}
const documentKeys = [...Object.keys(ownKeys), ...metadataKeys]

/** Reads a document. Without problems, `add` and `replace` accept the input. */
export function readClientDocument(
  document: Readonly<Record<string, unknown>>,
  options: { isDevelopment: boolean; refusedSecrets: readonly string[] },
): { input: ClientInput; problems: Problem[] } {
  const input: Record<string, unknown> = {}
  const metadata: Record<string, unknown> = {}
  const problems: Problem[] = []
  for (const [key, value] of Object.entries(document)) {
    const own = Object.hasOwn(ownKeys, key) ? ownKeys[key] : undefined
    if (own && typeof value === own.type) input[own.field] = value
    else if (own) problems.push({ path: key, code: own.code })
    else if (documentKeys.includes(key) || key === 'logo_uri') metadata[key] = value
    else problems.push(unknownKey('', key, documentKeys))
  }
  if (!('kind' in document)) problems.push({ path: 'kind', code: 'required' })
  // A document may lack required values: `checkClient` reports them, and `kind` is reported above.
  const read = { ...input, metadata } as unknown as ClientInput
  if (typeof input.kind === 'string') problems.push(...checkClient(read, options))
  return { input: read, problems }
}

/** The client as a document, without secrets. */
export function clientDocument(client: Client): Record<string, unknown> {
  return {
    client_id: client.clientId,
    kind: client.kind,
    first_party: client.isFirstParty,
    require_pkce: client.requirePkce,
    refresh_grace_seconds: client.refreshGraceSeconds,
    refresh_rotation: client.rotatesRefreshTokens,
    ...(client.refreshIdleSeconds !== undefined && { refresh_idle_seconds: client.refreshIdleSeconds }),
    ...(client.refreshAbsoluteSeconds !== undefined && { refresh_absolute_seconds: client.refreshAbsoluteSeconds }),
    disabled: client.isDisabled,
    ...client.metadata,
    secrets: client.secretDigests.map(({ expiresAt }) => ({
      expires_at: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    })),
    created_at: new Date(client.createdAt).toISOString(),
    updated_at: new Date(client.updatedAt).toISOString(),
  }
}
