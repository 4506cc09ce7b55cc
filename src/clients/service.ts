/** Clients: registration and authentication. Every change is audited in its own transaction. */
import type { Audit, AuditEvent, Initiator } from '../audit/service.ts'
import type { Clock } from '../clock.ts'
import type { Queryable, Transaction, Tx } from '../database/database.ts'
import type { RowCache } from '../database/row-cache.ts'
import type { Problem } from '../problems.ts'
import type { Random } from '../random.ts'
import { checkClient } from './check.ts'
import type { Client, ClientInput } from './client.ts'
import { clientHasNoSecret, clientIdTaken, clientInvalid, clientNotFound } from './errors.ts'
import { keyMethod } from './key-set.ts'
import { validateClient } from './lint.ts'
import { clientProfiles } from './profiles.ts'
import type { ClientRow } from './repository.ts'
import * as repository from './repository.ts'
import type { ClientSecrets } from './secrets.ts'
import { checkSecret } from './secrets.ts'

type Deps = {
  db: Queryable
  transaction: Transaction
  /** Rows by client id: `createRowCache({ table: 'client', load: loadClient(db) })`. */
  cache: RowCache<Client>
  audit: Audit
  secrets: ClientSecrets
  clock: Clock
  random: Random
  /** Ends every grant and token of the client, within the transaction. */
  endClient: (tx: Tx, clientId: string) => Promise<unknown>
  /** Allows loopback http redirects for every kind. */
  isDevelopment: boolean
  /** The available signing algorithms of ID tokens. */
  offeredAlgorithms: () => readonly string[]
  /** Known sample secrets: refused in production, empty elsewhere. */
  refusedSecrets: readonly string[]
}

export type { Client, ClientInput, ClientKind } from './client.ts'
export type Clients = ReturnType<typeof createClients>
export type ClientWrites = ReturnType<typeof createWrites>
/** `secret` is returned only once, when Latchkey generated it. It cannot be read again. */
export type ClientWithSecret = { client: Client; secret: string | undefined }

/** Loads clients for the row cache. An impossible id does not query the database. */
export const loadClient =
  (db: Queryable) =>
  async (clientId: string): Promise<Client | undefined> =>
    /^[A-Za-z0-9._~-]{1,64}$/.test(clientId) ? repository.findClient(db, clientId) : undefined

export function createClients(deps: Deps) {
  const { db, cache, secrets, clock } = deps
  return {
    /**
     * Finds a client by id, even a disabled one. Reads memory while the change feed is connected.
     */
    findById: (clientId: string): Promise<Client | undefined> => cache.get(clientId),
    /** Ordered by id, at most `limit` (default 1000). */
    list: (limit = 1000): Promise<Client[]> => repository.listClients(db, limit),
    /** Whether `presented` is a valid secret of the client, in constant time over all of them. */
    secretMatches: (client: Pick<Client, 'secretDigests'>, presented: string): boolean =>
      secrets.matches(client, presented, clock.now()),
    /** Returns every problem of an input, without a write. */
    check: (input: ClientInput): Problem[] => checkClient(input, deps),
    /** The row that `add` and `replace` would store, with the kind's defaults. */
    planned: (input: ClientInput & { clientId: string }): ClientRow => toRow(input, deps.isDevelopment),
    ...createWrites(deps),
    /** The same changes, within the caller's transaction. */
    within: (tx: Tx): ClientWrites => createWrites({ ...deps, transaction: (work) => work(tx) }),
  }
}

function createWrites(deps: Deps) {
  const { transaction, cache, audit, secrets, clock, random, endClient } = deps

  const record = (tx: Tx, action: AuditEvent['action'], by: Initiator, clientId: string, details = {}) =>
    audit.record(tx, {
      action,
      by,
      subject: { type: 'client', id: clientId },
      clientId,
      outcome: 'success',
      details,
    })

  async function change<T>(clientId: string, work: (tx: Tx, client: Client) => Promise<T>): Promise<T> {
    const result = await transaction(async (tx) => {
      const client = await repository.findClientForUpdate(tx, clientId)
      if (!client) throw clientNotFound({ params: { clientId } })
      return work(tx, client)
    })
    cache.forget(clientId)
    return result
  }

  const getClient = async (tx: Tx, clientId: string): Promise<Client> => {
    const client = await repository.findClient(tx, clientId)
    if (!client) throw clientNotFound({ params: { clientId } })
    return client
  }

  const addSecret = (tx: Tx, clientId: string, secret: string) =>
    repository.insertSecret(tx, { id: random.id(), clientId, digest: secrets.digest(secret), at: clock.now() })

  const setDisabled = (clientId: string, isDisabled: boolean, by: Initiator): Promise<void> =>
    change(clientId, async (tx, client) => {
      if (client.isDisabled === isDisabled) return
      await repository.updateClient(tx, { ...client, isDisabled }, clock.now())
      // Enabling ends them too: a request may have written a token while the client was disabled.
      await endClient(tx, clientId)
      await record(tx, isDisabled ? 'client.disabled' : 'client.enabled', by, clientId)
    })

  return {
    /**
     * Adds a client. A confidential one without `secret` gets one of 256 bits, returned only once.
     * Throws `client_invalid` with every problem, and `client_id_taken`.
     */
    add: async (input: ClientInput, by: Initiator): Promise<ClientWithSecret> => {
      const problems = checkClient(input, deps)
      if (problems.length > 0) throw clientInvalid(problems)
      const clientId = input.clientId ?? random.id().replaceAll('-', '')
      const row = toRow({ ...input, clientId }, deps.isDevelopment)
      const made = usesSecret(row) && input.secret === undefined ? secrets.make() : undefined
      const secret = made ?? input.secret
      return transaction(async (tx) => {
        await idTaken(repository.insertClient(tx, row, clock.now()), clientId)
        if (secret !== undefined) await addSecret(tx, clientId, secret)
        await record(tx, 'client.created', by, clientId, { kind: row.kind, name: row.metadata.client_name })
        return { client: await getClient(tx, clientId), secret: made }
      })
    },

    /**
     * Replaces all values of a client; omitted ones get the kind's default. A given secret becomes
     * the only one; otherwise secrets stay. Throws `client_invalid`, `client_not_found`.
     */
    replace: async (input: ClientInput & { clientId: string }, by: Initiator): Promise<ClientWithSecret> => {
      const problems = checkClient(input, deps)
      if (problems.length > 0) throw clientInvalid(problems)
      const row = toRow(input, deps.isDevelopment)
      return change(row.clientId, async (tx, before) => {
        const made = needsSecret(row, before) && input.secret === undefined ? secrets.make() : undefined
        const secret = made ?? input.secret
        await repository.updateClient(tx, row, clock.now())
        if (secret !== undefined || !usesSecret(row)) await repository.retireSecrets(tx, row.clientId, 0, clock.now())
        if (secret !== undefined) await addSecret(tx, row.clientId, secret)
        if (row.isDisabled !== before.isDisabled) await endClient(tx, row.clientId)
        await record(tx, 'client.updated', by, row.clientId, { fields: changedFields(before, row) })
        return { client: await getClient(tx, row.clientId), secret: made }
      })
    },

    /** Removes the client, its secrets, grants and tokens. Throws `client_not_found`. */
    remove: (clientId: string, by: Initiator): Promise<void> =>
      change(clientId, async (tx) => {
        await endClient(tx, clientId)
        await repository.deleteClient(tx, clientId)
        await record(tx, 'client.removed', by, clientId)
      }),

    /**
     * Creates a new secret. The previous one stays valid for `overlapSeconds` (default 0).
     * Throws `client_invalid`, `client_not_found`, `client_has_no_secret` (public, or with keys).
     */
    rotateSecret: (
      clientId: string,
      { secret, overlapSeconds = 0 }: { secret?: string; overlapSeconds?: number },
      by: Initiator,
    ): Promise<{ client: Client; secret: string | undefined }> =>
      change(clientId, async (tx, client) => {
        if (!usesSecret(client)) throw clientHasNoSecret({ params: { clientId } })
        const problems = secret === undefined ? [] : checkSecret(secret, deps.refusedSecrets)
        if (problems.length > 0) throw clientInvalid(problems)
        const made = secret === undefined ? secrets.make() : undefined
        const now = clock.now()
        await repository.retireSecrets(tx, clientId, now + overlapSeconds * 1000, now)
        await addSecret(tx, clientId, made ?? secret ?? '')
        await repository.touchClient(tx, clientId, now)
        await record(tx, 'client.secret_rotated', by, clientId, { overlapSeconds })
        return { client: await getClient(tx, clientId), secret: made }
      }),

    /** Refuses all tokens and ends every grant. */
    disable: (clientId: string, by: Initiator): Promise<void> => setDisabled(clientId, true, by),
    enable: (clientId: string, by: Initiator): Promise<void> => setDisabled(clientId, false, by),
  }
}

/** Whether the client is confidential and authenticates without keys of its own. */
const usesSecret = ({ kind, metadata }: Pick<Client, 'kind' | 'metadata'>): boolean =>
  clientProfiles[kind].isConfidential && metadata.token_endpoint_auth_method !== keyMethod
const needsSecret = (row: ClientRow, before: Client): boolean => usesSecret(row) && before.secretDigests.length === 0

const toRow = (input: ClientInput & { clientId: string }, isDevelopment: boolean): ClientRow => ({
  clientId: input.clientId,
  kind: input.kind,
  isFirstParty: input.isFirstParty ?? false,
  requirePkce: input.requirePkce ?? true,
  metadata: validateClient(input, { isDevelopment }).metadata,
  refreshGraceSeconds: input.refreshGraceSeconds ?? 30,
  rotatesRefreshTokens: input.rotatesRefreshTokens ?? true,
  refreshIdleSeconds: input.refreshIdleSeconds,
  refreshAbsoluteSeconds: input.refreshAbsoluteSeconds,
  isDisabled: input.isDisabled ?? false,
})

const changedFields = (before: Client, after: ClientRow): string[] => {
  const fields = ({ metadata, ...own }: ClientRow): Record<string, unknown> => ({ ...metadata, ...own })
  const [earlier, later] = [fields(before), fields(after)]
  return Object.keys(later).filter((key) => JSON.stringify(earlier[key]) !== JSON.stringify(later[key]))
}

async function idTaken(write: Promise<void>, clientId: string): Promise<void> {
  try {
    await write
  } catch (error) {
    if ((error as { constraint?: string }).constraint === 'client_pkey') throw clientIdTaken({ params: { clientId } })
    throw error
  }
}
