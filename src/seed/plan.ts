/**
 * What a seed would change: checks its entries, reports all problems at once, and compares them
 * with the database. Only reads.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Account, AccountInput, Accounts } from '../accounts/service.ts'
import type { Client, ClientInput, Clients } from '../clients/service.ts'
import type { CheckPassword } from '../passwords/service.ts'
import type { Problem } from '../problems.ts'
import { nearest, problemsUnder } from '../problems.ts'
import type { ResourceServer, ResourceServerInput, ResourceServers } from '../resource-servers/service.ts'
import type { SeedDocument } from './document.ts'
import { sampleClientIds, sampleEmails } from './samples.ts'

type Entry = Readonly<Record<string, unknown>>

/**
 * How each feature reads its entries. An argument, because a feature imports no values of another
 * feature.
 */
export type Readers = {
  account: (entry: Entry, alsoKnown: readonly string[]) => { input: AccountInput; problems: Problem[] }
  client: (entry: Entry) => { input: ClientInput; problems: Problem[] }
  resourceServer: (entry: Entry) => { input: ResourceServerInput; problems: Problem[] }
}

export type PlanDeps = {
  accounts: Accounts
  clients: Clients
  resourceServers: ResourceServers
  /** The problems of a new password for this user. */
  checkPassword: CheckPassword
  readers: Readers
  /** The normalised email by which an account is found. */
  normaliseEmail: (email: string) => string
  /** Scopes that belong to no resource server. */
  oidcScopes: readonly string[]
  isProduction: boolean
}

export type UserStep = {
  input: AccountInput
  password?: string
  isDisabled?: boolean
  before: Account | undefined
  fields: string[]
}
export type ClientStep = { input: ClientInput & { clientId: string }; before: Client | undefined; fields: string[] }
export type ResourceServerStep = { input: ResourceServerInput; before: ResourceServer | undefined; fields: string[] }

export type SeedPlan = {
  users: UserStep[]
  clients: ClientStep[]
  resourceServers: ResourceServerStep[]
  problems: Problem[]
}

const userKeys = ['password', 'disabled']

/**
 * Compares every entry with its row; `fields` of a step are the differences. With `isOnlyMissing`
 * existing rows have none. Use the steps only when there are no problems.
 */
export async function planSeed(document: SeedDocument, deps: PlanDeps, isOnlyMissing: boolean): Promise<SeedPlan> {
  const read = await readEntries(document, deps)
  const problems = [...read.problems, ...(await checkReferences(read, deps))]
  if (problems.length > 0) return { users: [], clients: [], resourceServers: [], problems }
  const withoutExisting = <S extends { before: unknown; fields: string[] }>(step: S): S =>
    isOnlyMissing && step.before ? { ...step, fields: [] } : step
  const planned = { users: [] as UserStep[], clients: [] as ClientStep[], resourceServers: [] as ResourceServerStep[] }
  for (const entry of read.users) planned.users.push(withoutExisting(await planUser(entry, deps, isOnlyMissing)))
  for (const { input } of read.clients)
    planned.clients.push(withoutExisting(await planClient(input as ClientStep['input'], deps)))
  for (const { input } of read.resourceServers)
    planned.resourceServers.push(withoutExisting(await planResourceServer(input, deps)))
  return { ...planned, problems }
}

type Read = {
  users: { input: AccountInput; password: string | undefined; isDisabled: boolean | undefined }[]
  clients: { input: ClientInput }[]
  resourceServers: { input: ResourceServerInput }[]
  problems: Problem[]
}

async function readEntries(document: SeedDocument, deps: PlanDeps): Promise<Read> {
  const { readers, isProduction } = deps
  const read: Read = { users: [], clients: [], resourceServers: [], problems: [] }
  const add = (path: string, found: readonly Problem[]) => void read.problems.push(...problemsUnder(path, found))
  const seen = new Set<string>()
  const once = (path: string, key: string) => {
    if (seen.has(key)) read.problems.push({ path, code: 'repeated' })
    seen.add(key)
  }

  for (const [index, entry] of document.users.entries()) {
    const path = `users[${index}]`
    const { input, problems } = readers.account(entry, userKeys)
    const password = entry.password as string | undefined
    const isDisabled = entry.disabled as boolean | undefined
    add(path, problems)
    // An initial value. The password of an existing account is not used, and checking it takes a
    // second.
    const isUsed =
      problems.length > 0 || typeof password !== 'string' || !(await deps.accounts.findByEmail(input.email))
    if (password !== undefined && isUsed) add(path, await deps.checkPassword(password, input))
    if (isDisabled !== undefined && typeof isDisabled !== 'boolean')
      add(path, [{ path: 'disabled', code: 'not_boolean' }])
    const email = deps.normaliseEmail(String(input.email))
    if (isProduction && sampleEmails.includes(email)) add(path, [{ path: 'email', code: 'sample_value' }])
    once(`${path}.email`, `user ${email}`)
    read.users.push({ input, password, isDisabled })
  }
  for (const [index, entry] of document.clients.entries()) {
    const path = `clients[${index}]`
    const { input, problems } = readers.client(entry)
    add(path, problems)
    const { clientId } = input
    // Without an id, the same entry would create another client each time.
    if (clientId === undefined && entry.client_id === undefined) add(path, [{ path: 'client_id', code: 'required' }])
    if (isProduction && sampleClientIds.includes(clientId ?? ''))
      add(path, [{ path: 'client_id', code: 'sample_value' }])
    if (clientId !== undefined) once(`${path}.client_id`, `client ${clientId}`)
    read.clients.push({ input })
  }
  for (const [index, entry] of document.resource_servers.entries()) {
    const path = `resource_servers[${index}]`
    const { input, problems } = readers.resourceServer(entry)
    add(path, problems)
    once(`${path}.identifier`, `resource server ${String(input.identifier).replace(/\/$/, '')}`)
    read.resourceServers.push({ input })
  }
  return read
}

/**
 * Scopes of no resource server, and unknown clients: otherwise a misspelling is only found when a
 * request is refused.
 */
async function checkReferences(read: Read, { clients, resourceServers, oidcScopes }: PlanDeps): Promise<Problem[]> {
  const servers = [...(await resourceServers.list()), ...read.resourceServers.map(({ input }) => input)]
  const scopes = [...oidcScopes, ...servers.flatMap((server) => scopeNames(server.scopes))]
  const ids = [
    ...(await clients.list()).map(({ clientId }) => clientId),
    ...read.clients.map(({ input }) => input.clientId),
  ]
  const problems = read.clients.flatMap(({ input }, index) =>
    wordsOf(input.metadata.scope)
      .filter((scope) => !scopes.includes(scope))
      .map((scope) => ({
        path: `clients[${index}].scope`,
        code: 'unknown_scope',
        params: { scope, nearest: nearest(scope, scopes) },
      })),
  )
  const strangers = read.resourceServers.flatMap(({ input }, index) =>
    (Array.isArray(input.allowedClientIds) ? input.allowedClientIds : []).flatMap((id, clientIndex) => {
      const path = `resource_servers[${index}].allowed_clients[${clientIndex}]`
      return ids.includes(id) ? [] : [{ path, code: 'unknown_client', params: { client: String(id) } }]
    }),
  )
  return [...problems, ...strangers]
}

const scopeNames = (scopes: unknown): string[] =>
  Array.isArray(scopes) ? scopes.map((scope) => String((scope as { name?: unknown } | null)?.name)) : []
const wordsOf = (scope: unknown): string[] =>
  typeof scope === 'string' ? scope.split(' ').filter((word) => word !== '') : []

async function planUser(
  { input, password, isDisabled }: Read['users'][number],
  deps: PlanDeps,
  isOnlyMissing: boolean,
): Promise<UserStep> {
  const before = await deps.accounts.findByEmail(input.email)
  if (before && isOnlyMissing) return { input, before, fields: [] }
  const wanted = Object.entries(input).filter(([, value]) => value !== undefined)
  const fields = wanted.flatMap(([field, value]) => {
    const current = before?.[field as keyof Account] ?? null
    return before && isDeepStrictEqual(plain(current), plain(typeof value === 'string' ? value.trim() : value))
      ? []
      : [field]
  })
  // An initial value: a second run must not undo a password change by the user.
  const isInitial = password !== undefined && before === undefined
  if (isInitial) fields.push('password')
  if (isDisabled !== undefined && isDisabled !== (before?.isDisabled ?? false)) fields.push('disabled')
  return {
    input,
    before,
    fields,
    ...(isInitial ? { password } : {}),
    ...(isDisabled === undefined ? {} : { isDisabled }),
  }
}

async function planClient(input: ClientStep['input'], { clients }: PlanDeps): Promise<ClientStep> {
  const before = await clients.findById(input.clientId)
  // An entry without `disabled` does not enable a client that an administrator has disabled.
  const wanted = { ...input, isDisabled: input.isDisabled ?? before?.isDisabled ?? false }
  const { metadata, ...row } = clients.planned(wanted)
  const current: Record<string, unknown> = { ...before, ...before?.metadata }
  const fields = Object.entries({ ...row, ...metadata })
    .filter(([field, value]) => !isDeepStrictEqual(plain(current[field]), plain(value)))
    .map(([field]) => field)
  fields.push(...Object.keys(before?.metadata ?? {}).filter((key) => !(key in metadata)))
  // An initial value: a second run must not restore a secret that was rotated.
  if (input.secret !== undefined && (before?.secretDigests ?? []).length === 0) fields.push('client_secret')
  else delete wanted.secret
  return { input: wanted, before, fields }
}

async function planResourceServer(
  input: ResourceServerInput,
  { resourceServers }: PlanDeps,
): Promise<ResourceServerStep> {
  const before = await resourceServers.findByIdentifier(input.identifier)
  const { key: _key, ...row } = resourceServers.planned(input)
  const current: Record<string, unknown> = { ...before }
  const fields = Object.entries(row)
    .filter(([field, value]) => !isDeepStrictEqual(plain(current[field]), plain(value)))
    .map(([field]) => field)
  return { input, before, fields }
}

/** The value as the database returns it: without undefined members. */
const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))
