/** A client as a flat document (seed, `--json`): RFC 7591's names, and our own few beside them. */
import type { Problem } from '../problems.ts'
import { unknownKey } from '../problems.ts'
import type { Client, ClientInput } from './client.ts'
import { lintClient, metadataKeys } from './lint.ts'

const ownKeys = {
  client_id: 'clientId',
  client_secret: 'secret',
  kind: 'kind',
  first_party: 'isFirstParty',
  require_pkce: 'requirePkce',
  refresh_grace_seconds: 'refreshGraceSeconds',
  disabled: 'isDisabled',
} as const

const ownTypes: Readonly<Record<keyof typeof ownKeys, 'string' | 'boolean' | 'number'>> = {
  client_id: 'string',
  client_secret: 'string',
  kind: 'string',
  first_party: 'boolean',
  require_pkce: 'boolean',
  refresh_grace_seconds: 'number',
  disabled: 'boolean',
}
const documentKeys = [...Object.keys(ownKeys), ...metadataKeys]

/** Reads a document; use the input only when there are no problems. The secret is checked by the service. */
export function readClientDocument(
  document: Readonly<Record<string, unknown>>,
  options: { isDevelopment: boolean },
): { input: ClientInput; problems: Problem[] } {
  const input: Record<string, unknown> = {}
  const metadata: Record<string, unknown> = {}
  const problems: Problem[] = []
  for (const [key, value] of Object.entries(document)) {
    if (key in ownKeys) {
      const known = key as keyof typeof ownKeys
      if (typeof value === ownTypes[known]) input[ownKeys[known]] = value
      else problems.push({ path: key, code: `not_${ownTypes[known]}` })
    } else if (documentKeys.includes(key) || key === 'logo_uri') metadata[key] = value
    else problems.push(unknownKey('', key, documentKeys))
  }
  if (!('kind' in document)) problems.push({ path: 'kind', code: 'required' })
  const read = { ...input, metadata } as unknown as ClientInput
  if (typeof input.kind === 'string') problems.push(...lintClient(read, options).problems)
  return { input: read, problems }
}

/** The client as a document, without any secret. */
export function clientDocument(client: Client): Record<string, unknown> {
  return {
    client_id: client.clientId,
    kind: client.kind,
    first_party: client.isFirstParty,
    require_pkce: client.requirePkce,
    refresh_grace_seconds: client.refreshGraceSeconds,
    disabled: client.isDisabled,
    ...client.metadata,
    secrets: client.secretDigests.map(({ expiresAt }) => ({
      expires_at: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    })),
    created_at: new Date(client.createdAt).toISOString(),
    updated_at: new Date(client.updatedAt).toISOString(),
  }
}
