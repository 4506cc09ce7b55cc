/**
 * No value sealed under the master key is missed: the list of places, the schema and the source
 * agree.
 */
import { randomBytes } from 'node:crypto'
import { reseal } from '../../keys/reseal.ts'
import { createSealer } from '../../keys/sealer.ts'
import { sealedLocations } from '../../src/cli/sealed-locations.ts'
import { listFiles } from '../structure/source.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'

/** Columns with `sealed` in their name that another key than the master key has sealed. */
const otherKeys: Readonly<Record<string, string>> = {
  'interaction_outcome.sealed_response': 'sealed under the id of the interaction, which is not stored',
}

/**
 * Former names, which the previous version still reads and writes: docs/decisions/0177. Each equals
 * the column of its row.
 */
const formerNames: Readonly<Record<string, string>> = {
  'logout_delivery.sealed': 'logout_delivery.sealed_event',
  'root_secret.sealed': 'root_secret.sealed_secret',
}

/**
 * The files that seal the values of each place. `offer`: a value that is sent to the page and
 * returned, but not stored.
 */
const sealingFiles: Readonly<Record<string, readonly string[]>> = {
  'keys/repository.ts': ['signing_key'],
  'keys/root-secret.ts': ['root_secret'],
  'src/logout/service.ts': ['logout_delivery'],
  'src/mfa/methods/totp/method.ts': ['totp', 'offer'],
  'src/outbox/service.ts': ['outbox'],
}

let store: TestDatabase
beforeEach(async () => {
  store = await createTestDatabase()
})
afterEach(() => store.close())

async function columnsNamedSealed(): Promise<string[]> {
  const { rows } = await store.database.knex.raw(`
    SELECT table_name || '.' || column_name AS name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name ~ '^sealed(_|$)' ORDER BY name`)
  return rows.map(({ name }: { name: string }) => name)
}

const listed = sealedLocations.flatMap(({ column }) => column ?? [])

test('every column with a sealed name is in the list, and every entry of the list is a column', async () => {
  expect(listed.filter((column) => !/\.sealed_[a-z]+$/.test(column))).toEqual([])
  const named = [...listed, ...Object.keys(otherKeys), ...Object.keys(formerNames)]
  expect(await columnsNamedSealed()).toEqual(named.sort())
  expect(Object.values(formerNames).filter((column) => !listed.includes(column))).toEqual([])
})

test('a sealed column that is missing in the list is reported', async () => {
  await store.database.knex.raw('CREATE TABLE planted (id uuid, sealed_note bytea)')
  const known = [...listed, ...Object.keys(otherKeys), ...Object.keys(formerNames)]
  expect((await columnsNamedSealed()).filter((name) => !known.includes(name))).toEqual(['planted.sealed_note'])
})

type Text = { path: string; text: string }
const findSealing = (files: readonly Text[]): string[] =>
  files.filter(({ text }) => /\b[sS]ealer\.seal\(/.test(text)).map(({ path }) => path)

test('every file that encrypts under the master key belongs to an entry of the list', () => {
  expect(findSealing([{ path: 'src/planted.ts', text: 'const sealed = sealer.seal(note, place)' }])).toHaveLength(1)
  expect(findSealing(listFiles(['src', 'adapters', 'keys']))).toEqual(Object.keys(sealingFiles))
  const named = Object.values(sealingFiles).flat()
  expect(named.filter((name) => name !== 'offer').sort()).toEqual(sealedLocations.map(({ name }) => name).sort())
})

/** One sealed value in each place, as the features write it. */
const fixtures: Readonly<Record<string, (seal: (aad: string) => Buffer) => Promise<void>>> = {
  root_secret: async (seal) => {
    await store.database.knex('root_secret').insert({ id: 1, sealed_secret: seal('root_secret:1'), created_at: 0 })
  },
  signing_key: async (seal) => {
    const id = '0190a2f0-0000-7000-8000-000000000003'
    const row = { id, kid: 'key', algorithm: 'ES256', state: 'created', created_at: 0 }
    await store.database.knex('signing_key').insert({ ...row, sealed_jwk: seal(`signing_key:${id}`) })
  },
  logout_delivery: async (seal) => {
    const id = '0190a2f0-0000-7000-8000-000000000001'
    const metadata = { client_name: 'app', redirect_uris: [], grant_types: [], token_endpoint_auth_method: 'none' }
    const client = { client_id: 'app', kind: 'spa', metadata: JSON.stringify(metadata), created_at: 0, updated_at: 0 }
    await store.database.knex('client').insert(client)
    const delivery = { id, client_id: 'app', created_at: 0, updated_at: 0 }
    await store.database.knex('logout_delivery').insert({ ...delivery, sealed_event: seal(`logout_delivery:${id}`) })
  },
  totp: async (seal) => {
    const id = '0190a2f0-0000-7000-8000-000000000002'
    const email = 'ada@example.com'
    await store.database.knex('account').insert({ id, email, email_key: email, created_at: 0, updated_at: 0 })
    const row = { account_id: id, last_step: 0, created_at: 0 }
    await store.database.knex('totp').insert({ ...row, sealed_secret: seal(`totp:${id}`) })
  },
  outbox: async (seal) => {
    const payload = JSON.stringify({ id: 'event', sealed: seal('outbox mail event').toString('base64') })
    await store.database.knex.raw("SELECT FROM graphile_worker.add_job('outbox:mail', ?::json)", [payload])
  },
}

/** The values of each column with a former name, and of the column that replaced it. */
async function formerValues(): Promise<Record<string, { former: Buffer | null; current: Buffer | null }[]>> {
  const found: Record<string, { former: Buffer | null; current: Buffer | null }[]> = {}
  for (const [former, current] of Object.entries(formerNames)) {
    const [table = '', column = ''] = former.split('.')
    found[table] = await store.database.knex(table).select({ former: column, current: current.split('.')[1] ?? '' })
  }
  return found
}

test('a value that the previous version writes under a former name is read under the new one, and vice versa', async () => {
  const { knex } = store.database
  const [first, second] = [Buffer.from('first'), Buffer.from('second')]
  await fixtures.logout_delivery!(() => first)
  await knex('root_secret').insert({ id: 1, sealed: first, created_at: 0 })
  const both = (value: Buffer | null) => [{ former: value, current: value }]
  expect(await formerValues()).toEqual({ logout_delivery: both(first), root_secret: both(first) })

  // The previous version: a reseal, and a change of another column of a row that it does not
  // reseal.
  await knex('root_secret').update({ sealed: second })
  await knex('logout_delivery').update({ attempts: 1 })
  expect(await formerValues()).toEqual({ logout_delivery: both(first), root_secret: both(second) })

  await knex('root_secret').update({ sealed_secret: first })
  await knex('logout_delivery').update({ state: 'delivered', sealed: null })
  expect(await formerValues()).toEqual({ logout_delivery: both(null), root_secret: both(first) })
})

/** Tables whose rows name this master key, in bytes or in base64. */
async function tablesSealedUnder(masterKey: Buffer): Promise<string[]> {
  const header = createSealer(masterKey).seal(Buffer.alloc(0), '').subarray(0, 9)
  const patterns = [`%${header.toString('hex')}%`, `%${header.toString('base64')}%`]
  const { rows } = await store.database.knex.raw(
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
  )
  const found: string[] = []
  for (const { name } of rows as { name: string }[]) {
    const { rows: hits } = await store.database.knex.raw(
      `SELECT 1 FROM ${name} AS t WHERE t::text LIKE ANY (?) LIMIT 1`,
      [patterns],
    )
    if (hits.length > 0) found.push(name)
  }
  return found
}

test('a value at every location is encrypted again under the new master key, and can be decrypted there', async () => {
  const [oldKey, newKey] = [randomBytes(32), randomBytes(32)]
  const before = createSealer(oldKey)
  for (const { name } of sealedLocations) {
    await fixtures[name]!((aad) => before.seal(Buffer.from(`value of ${name}`), aad))
  }
  const tables = await tablesSealedUnder(oldKey)
  expect(tables).toHaveLength(sealedLocations.length)

  const { knex } = store.database
  const sealer = createSealer(newKey, oldKey)
  const result = await reseal({ knex, sealer, locations: sealedLocations, waitForServers: async () => {} })
  expect(result).toEqual({ resealed: Object.fromEntries(sealedLocations.map(({ name }) => [name, 1])), unopened: [] })
  expect(await tablesSealedUnder(oldKey)).toEqual([])
  expect(await tablesSealedUnder(newKey)).toEqual(tables)

  const after = createSealer(newKey)
  for (const place of sealedLocations) {
    const [value] = await place.list(knex, undefined, 10)
    expect(after.open(value!.sealed, value!.aad).toString()).toBe(`value of ${place.name}`)
  }
})
