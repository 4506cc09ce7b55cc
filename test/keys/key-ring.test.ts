/** The root secret and the key ring on a real Postgres, as several processes see them. */
import { execFile } from 'node:child_process'
import { createPublicKey, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { calculateJwkThumbprint, exportJWK, jwtVerify, SignJWT } from 'jose'
import type { Algorithm } from '../../keys/algorithms.ts'
import { generateJwk } from '../../keys/algorithms.ts'
import { KeyRingUnconfirmed, SealDamaged, WrongMasterKey } from '../../keys/errors.ts'
import type { KeyRing, KeySet } from '../../keys/key-ring.ts'
import { createKeyRing } from '../../keys/key-ring.ts'
import { insertKey } from '../../keys/repository.ts'
import { checkMasterKey, openRootSecret } from '../../keys/root-secret.ts'
import { createRotation } from '../../keys/rotation.ts'
import { createSealer } from '../../keys/sealer.ts'
import { createLog } from '../../src/log.ts'
import { systemRandom } from '../../src/random.ts'
import { createTestClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { waitFor } from '../support/wait.ts'

const algorithms: readonly Algorithm[] = ['RS256', 'ES256', 'EdDSA']
const day = 86_400_000
const times = { announcedMs: day, activeMs: 30 * day, retiredMs: 14 * day }

type Base = Awaited<ReturnType<typeof createTestDatabase>>
let base: Base
const rings: KeyRing[] = []
const sealer = createSealer(randomBytes(32))
const wrongSealer = createSealer(randomBytes(32))
const clock = createTestClock(Date.UTC(2026, 10, 1))
const log = createLog({ level: 'silent' })

beforeEach(async () => {
  base = await createTestDatabase()
})
afterEach(async () => {
  await Promise.all(rings.splice(0).map((ring) => ring.close()))
  await base.close()
})

const deps = () => ({
  ...base.database,
  sealer,
  random: systemRandom,
  clock,
  log,
  algorithms,
  times,
  minAnnouncedMs: 3_600_000,
  endSigningKey: async () => {},
  record: async () => {},
})

async function openRing(options: Partial<Parameters<typeof createKeyRing>[0]> = {}): Promise<KeyRing> {
  await createRotation({ ...deps(), ...options }).makeMissing()
  const ring = await createKeyRing({ ...deps(), ...options })
  rings.push(ring)
  return ring
}

/** The contents of both tables. */
const dump = async () =>
  JSON.stringify([await base.database.knex('root_secret'), await base.database.knex('signing_key')])

async function addKey(state: 'created' | 'announced' | 'retired', algorithm: Algorithm = 'ES256') {
  const privateJwk = await generateJwk(algorithm)
  clock.advance(1000)
  const now = clock.now()
  const announcedAt = state === 'created' ? undefined : now
  const retiredAt = state === 'retired' ? now : undefined
  const life = { state, createdAt: now, announcedAt, activatedAt: undefined, retiredAt }
  await base.database.transaction((tx) =>
    insertKey(tx, sealer, { id: systemRandom.id(), algorithm, privateJwk, ...life }),
  )
  return privateJwk.kid
}

const kidsOf = (keys: KeySet, algorithm: string) =>
  keys.publicJwks.filter((jwk) => jwk.alg === algorithm).map((jwk) => jwk.kid)

describe('root secret', () => {
  test('is created once, also by concurrent starts, and read by every process', async () => {
    const secrets = await Promise.all(Array.from({ length: 12 }, () => openRootSecret(deps())))
    expect(new Set(secrets.map((secret) => secret.derive('cookies').toString('hex'))).size).toBe(1)
    expect((await openRootSecret(deps())).derive('cookies')).toEqual(secrets[0]?.derive('cookies'))
  })

  test('derives different bytes for each purpose, of the requested length', async () => {
    const { derive } = await openRootSecret(deps())
    expect(derive('cookies')).toHaveLength(32)
    expect(derive('cookies', 64)).toHaveLength(64)
    expect(derive('csrf')).not.toEqual(derive('cookies'))
  })

  test('is different in another database', async () => {
    const other = await createTestDatabase()
    try {
      const { derive } = await openRootSecret(deps())
      const elsewhere = await openRootSecret({ ...deps(), transaction: other.database.transaction })
      expect(elsewhere.derive('cookies')).not.toEqual(derive('cookies'))
    } finally {
      await other.close()
    }
  })

  test('is not stored in plain text', async () => {
    const bytes: Buffer[] = []
    const random = { ...systemRandom, bytes: (length: number) => bytes[bytes.push(systemRandom.bytes(length)) - 1]! }
    await openRootSecret({ ...deps(), random })
    const { sealed_secret: sealed } = await base.database.knex('root_secret').first('sealed_secret')
    expect(bytes).toHaveLength(1)
    expect(sealed.includes(bytes[0])).toBe(false)
  })
})

describe('a wrong master key', () => {
  test('is refused by every part, and changes nothing', async () => {
    await openRootSecret(deps())
    // ES256 alone: a rotation that did not check first would continue and create the other keys.
    await openRing({ algorithms: ['ES256'] })
    const before = await dump()
    await expect(openRootSecret({ ...deps(), sealer: wrongSealer })).rejects.toThrow(WrongMasterKey)
    await expect(createKeyRing({ ...deps(), sealer: wrongSealer })).rejects.toThrow(WrongMasterKey)
    await expect(createRotation({ ...deps(), sealer: wrongSealer }).makeMissing()).rejects.toThrow(WrongMasterKey)
    await expect(checkMasterKey({ ...deps(), sealer: wrongSealer })).rejects.toThrow(WrongMasterKey)
    expect(await dump()).toBe(before)
  })

  test('is not reported while no value is encrypted, also before the migrations', async () => {
    const empty = await createTestDatabase({ isEmpty: true })
    try {
      await checkMasterKey({ ...empty.database, sealer: wrongSealer })
      await checkMasterKey({ ...deps(), sealer: wrongSealer })
    } finally {
      await empty.close()
    }
  })
})

describe('key ring', () => {
  test('the first start creates one active key for each algorithm', async () => {
    const { publicJwks, privateJwks } = (await openRing()).current()
    expect(publicJwks.map(({ alg, use, kty, crv }) => [alg, use, kty, crv])).toEqual([
      ['RS256', 'sig', 'RSA', undefined],
      ['ES256', 'sig', 'EC', 'P-256'],
      ['EdDSA', 'sig', 'OKP', 'Ed25519'],
    ])
    const rsa = createPublicKey({ key: { ...publicJwks[0] }, format: 'jwk' })
    expect(rsa.asymmetricKeyDetails).toMatchObject({ modulusLength: 3072, publicExponent: 65537n })
    for (const [index, jwk] of publicJwks.entries()) {
      expect(jwk.kid).toBe(await calculateJwkThumbprint({ ...jwk }))
      const privateJwk = privateJwks[index]
      const token = await new SignJWT({}).setProtectedHeader({ alg: jwk.alg }).sign({ ...privateJwk })
      await expect(jwtVerify(token, { ...jwk })).resolves.toBeDefined()
    }
    const rows = await base.database.knex('signing_key').select('state', 'created_at', 'announced_at', 'activated_at')
    const now = clock.now()
    for (const row of rows) {
      expect([row.state, ...[row.created_at, row.announced_at, row.activated_at].map(Number)]).toEqual([
        'active',
        now,
        now,
        now,
      ])
    }
  })

  test('the public JWKs contain no private parameters', async () => {
    const { publicJwks } = (await openRing()).current()
    expect(publicJwks.map((jwk) => Object.keys(jwk).sort())).toEqual([
      ['alg', 'e', 'kid', 'kty', 'n', 'use'],
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
      ['alg', 'crv', 'kid', 'kty', 'use', 'x'],
    ])
    expect(await exportJWK(createPublicKey({ key: { ...publicJwks[1] }, format: 'jwk' }))).not.toHaveProperty('d')
  })

  test('a dump of the table contains no private key in plain text', async () => {
    const { privateJwks } = (await openRing()).current()
    const bytes = Buffer.concat((await base.database.knex('signing_key')).map((row) => row.sealed_jwk))
    for (const jwk of privateJwks) {
      expect(bytes.includes(String(jwk.d))).toBe(false)
      expect(bytes.includes(Buffer.from(String(jwk.d), 'base64url'))).toBe(false)
    }
    expect(bytes.includes('kty')).toBe(false)
  })

  test('a later start finds the keys, and only announces those of new algorithms: clients with a cached JWKS do not know them', async () => {
    const first = (await openRing({ algorithms: ['ES256'] })).current()
    expect(kidsOf(first, 'ES256')).toHaveLength(1)
    const second = (await openRing()).current()
    expect(kidsOf(second, 'ES256')).toEqual(kidsOf(first, 'ES256'))
    expect(second.publicJwks).toHaveLength(3)
    expect(second.publishedKeys.map(({ state }) => state)).toEqual(['announced', 'active', 'announced'])
    expect(second.algorithms).toEqual(['ES256'])
    expect((await openRing()).current()).toEqual(second)
  })

  test('of concurrent starts in one process exactly one creates each key', async () => {
    const opened = await Promise.all(Array.from({ length: 5 }, () => openRing({ algorithms: ['ES256', 'EdDSA'] })))
    expect(new Set(opened.map((ring) => ring.current().version)).size).toBe(1)
    expect(await base.database.knex('signing_key')).toHaveLength(2)
  })

  test('processes that start concurrently on an empty database create each key once', async () => {
    const script = `
      import { createKeyRing } from './keys/key-ring.ts'
      import { createSealer } from './keys/sealer.ts'
      import { openRootSecret } from './keys/root-secret.ts'
      import { createRotation } from './keys/rotation.ts'
      import { createDatabase } from './src/database/database.ts'
      import { systemClock as clock } from './src/clock.ts'
      import { createLog } from './src/log.ts'
      import { systemRandom as random } from './src/random.ts'
      const log = createLog({ level: 'silent' })
      const database = await createDatabase({ url: ${JSON.stringify(base.url)}, poolSize: 2, log })
      const sealer = createSealer(Buffer.alloc(32, 7))
      const { derive } = await openRootSecret({ ...database, sealer, random, clock })
      const algorithms = ${JSON.stringify(algorithms)}
      const nothing = async () => {}
      await createRotation({ ...database, sealer, random, clock, algorithms, record: nothing, endSigningKey: nothing,
        times: ${JSON.stringify(times)}, leastAnnouncedMs: 0 }).makeMissing()
      const ring = await createKeyRing({ ...database, sealer, clock, log, algorithms })
      console.log(derive('cookies').toString('hex'), ring.current().version, ring.current().publicJwks.length)
      await ring.close()
      await database.close()`
    const start = () => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
    const answers = (await Promise.all([start(), start(), start(), start()])).map(({ stdout }) => stdout)
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toMatch(/ 3\n$/)
    expect(await base.database.knex('signing_key')).toHaveLength(3)
  })

  test('the active key comes first, announced and retired keys follow, and created keys are not published', async () => {
    await openRing({ algorithms: ['ES256'] })
    await addKey('retired')
    const announced = await addKey('announced')
    await addKey('created')
    const retired = await addKey('retired')
    const kids = kidsOf((await openRing({ algorithms: ['ES256'] })).current(), 'ES256')
    expect(kids).toHaveLength(4)
    expect(kids.slice(1, 3)).toEqual([announced, retired])
  })

  test('every process reads a change without a restart, and reports it once', async () => {
    const [one, two] = [await openRing({ algorithms: ['ES256'] }), await openRing({ algorithms: ['ES256'] })]
    const seen: KeySet[] = []
    two.onChange((keys) => seen.push(keys))
    const before = one.current()

    const kid = await addKey('announced')
    await waitFor(() => one.current() !== before && seen.length > 0)
    expect(kidsOf(one.current(), 'ES256')).toEqual([kidsOf(before, 'ES256')[0], kid])
    expect(seen.map(({ version }) => version)).toEqual([one.current().version])

    await base.database.transaction(async (tx) => {
      await tx('signing_key').where({ state: 'active' }).update({ state: 'retired', retired_at: clock.now() })
      await tx('signing_key').where({ kid }).update({ state: 'active', activated_at: clock.now() })
    })
    await waitFor(() => seen.length > 1 && one.current().version === seen.at(-1)?.version)
    expect(kidsOf(one.current(), 'ES256')).toEqual([kid, kidsOf(before, 'ES256')[0]])
    expect(new Set(seen.map(({ version }) => version)).size).toBe(seen.length)
  })

  test('a failed listener does not keep the keys from the other listeners', async () => {
    const ring = await openRing({ algorithms: ['ES256'] })
    const seen: KeySet[] = []
    ring.onChange(() => {
      throw new Error('cannot take them over')
    })
    ring.onChange((keys) => seen.push(keys))
    await addKey('announced')
    await waitFor(() => seen.length === 1)
  })

  test('an unsubscribed listener gets no further changes', async () => {
    const ring = await openRing({ algorithms: ['ES256'] })
    const heard: string[] = []
    const end = ring.onChange(() => heard.push('ended'))
    ring.onChange(() => heard.push('listening'))
    end()
    await addKey('announced')
    await waitFor(() => heard.length > 0)
    expect(heard).toEqual(['listening'])
  })

  const deaf = { subscribe: () => () => {}, onConnectionChange: () => () => {} }

  test('polling finds a change without a notification', async () => {
    const ring = await openRing({ algorithms: ['ES256'], changes: deaf, pollMs: 20 })
    const kid = await addKey('announced')
    await waitFor(() => kidsOf(ring.current(), 'ES256').includes(kid))
  })

  test('a change that was missed while the change feed was disconnected is read when it reconnects', async () => {
    const connection = { changed: (_isConnected: boolean) => {} }
    const onConnectionChange = (listener: (isConnected: boolean) => void) => {
      connection.changed = listener
      return () => {}
    }
    const ring = await openRing({ algorithms: ['ES256'], changes: { ...deaf, onConnectionChange } })
    const kid = await addKey('announced')
    connection.changed(false)
    connection.changed(true)
    await waitFor(() => kidsOf(ring.current(), 'ES256').includes(kid))
  })

  test('the keys stay in memory while the table cannot be read, and a later poll finds the change', async () => {
    const warnings: string[] = []
    const log = createLog({ level: 'warn', destination: { write: (line) => void warnings.push(line) } })
    const ring = await openRing({ algorithms: ['ES256'], changes: deaf, pollMs: 20, log })
    const before = ring.current()
    const { knex } = base.database
    await knex.schema.renameTable('signing_key', 'away')
    await waitFor(() => warnings.some((line) => line.includes('key ring not read')))
    expect(ring.current()).toBe(before)
    await knex.schema.renameTable('away', 'signing_key')
    const kid = await addKey('announced')
    await waitFor(() => kidsOf(ring.current(), 'ES256').includes(kid))
  })

  test('signing is refused before the keys in memory could have been removed by another process, and continues without a restart', async () => {
    const ring = await openRing({ algorithms: ['ES256'], changes: deaf, pollMs: 3_600_000, leaseMs: 50 })
    const { knex } = base.database
    await knex.schema.renameTable('signing_key', 'away')
    await waitFor(() => ring.unconfirmedMs() > 50)
    await expect(ring.confirm()).rejects.toThrow(KeyRingUnconfirmed)
    await knex.schema.renameTable('away', 'signing_key')
    await expect(ring.confirm()).resolves.toBeUndefined()
    expect(ring.unconfirmedMs()).toBeLessThan(50)
  })

  test('a process that was notified of a change signs nothing before it has read the change', async () => {
    const told = { change: (_id: string) => {} }
    const subscribe = (table: string, listener: (id: string) => void) => {
      if (table === 'signing_key') told.change = listener
      return () => {}
    }
    const ring = await openRing({ algorithms: ['ES256'], changes: { ...deaf, subscribe }, pollMs: 3_600_000 })
    const { knex } = base.database
    await ring.confirm()
    await knex.schema.renameTable('signing_key', 'away')
    await expect(ring.confirm()).resolves.toBeUndefined()
    told.change('')
    await expect(ring.confirm()).rejects.toThrow(KeyRingUnconfirmed)
    await knex.schema.renameTable('away', 'signing_key')
    const kid = await addKey('announced')
    await ring.confirm()
    expect(kidsOf(ring.current(), 'ES256')).toContain(kid)
  })

  test('a process reads the key ring before it signs again after the clock has jumped an hour', async () => {
    const ring = await openRing({ algorithms: ['ES256'], changes: deaf, pollMs: 3_600_000 })
    const kid = await addKey('announced')
    clock.advance(3_600_000)
    expect(ring.unconfirmedMs()).toBeGreaterThanOrEqual(3_600_000)
    await ring.confirm()
    expect(kidsOf(ring.current(), 'ES256')).toContain(kid)
  })

  test('a signature of a key that was revoked meanwhile is refused, one of a key that retired is not', async () => {
    const ring = await openRing({ algorithms: ['ES256'] })
    const rotation = createRotation({ ...deps(), algorithms: ['ES256'] })
    const first = ring.current()
    await rotation.rotate({ wanted: ['ES256'], isNow: true }, { actor: { type: 'system' }, origin: { job: 'test' } })
    await waitFor(() => ring.current() !== first)
    await expect(ring.confirm(first)).resolves.toBeUndefined()
    await rotation.revoke(first.signingKids[0]!, { actor: { type: 'system' }, origin: { job: 'test' } })
    await waitFor(() => ring.current().publicJwks.length === 1)
    await expect(ring.confirm(first)).rejects.toThrow(KeyRingUnconfirmed)
    await expect(ring.confirm(ring.current())).resolves.toBeUndefined()
  })

  test('an altered or copied row prevents the start', async () => {
    await openRing()
    const { knex } = base.database
    const rows = await knex('signing_key').orderBy('kid')
    const withRow = async (change: object) => {
      await knex('signing_key').where({ id: rows[0].id }).update(change)
      await expect(createKeyRing(deps())).rejects.toThrow(SealDamaged)
      await knex('signing_key').where({ id: rows[0].id }).update(rows[0])
    }
    await withRow({ sealed_jwk: rows[1].sealed_jwk })
    await withRow({ kid: 'another' })
    await withRow({ algorithm: 'RS512' })
    await expect(createKeyRing(deps()).then((ring) => rings.push(ring))).resolves.toBeDefined()
  })

  test('Postgres refuses two active keys of one algorithm, and times that do not match the state', async () => {
    await openRing({ algorithms: ['ES256'] })
    await addKey('announced')
    const { knex } = base.database
    const activate = knex('signing_key').where({ state: 'announced' }).update({ state: 'active', activated_at: 1 })
    await expect(activate).rejects.toThrow('signing_key_one_active')
    const forget = knex('signing_key').where({ state: 'active' }).update({ state: 'retired' })
    await expect(forget).rejects.toThrow('signing_key_moments')
  })

  test('a closed key ring reads nothing, by notification or by poll', async () => {
    const reads = { closed: 0, other: 0 }
    const counted = (name: keyof typeof reads) => async () => {
      reads[name] += 1
    }
    const ring = await openRing({ algorithms: ['ES256'], pollMs: 20, backgroundTask: counted('closed') })
    await ring.close()
    const [before, readsBefore] = [ring.current(), reads.closed]
    // The other ring is notified of the key, and its timer began later than that of the closed one.
    const other = await openRing({ algorithms: ['ES256'], pollMs: 20, backgroundTask: counted('other') })
    const kid = await addKey('announced')
    await waitFor(() => kidsOf(other.current(), 'ES256').includes(kid))
    const polled = reads.other
    await waitFor(() => reads.other > polled + 2)
    expect(ring.current()).toBe(before)
    expect(reads.closed).toBe(readsBefore)
  })
})

test('no kid begins with a hyphen', async () => {
  const kids = await Promise.all(Array.from({ length: 400 }, async () => (await generateJwk('EdDSA')).kid))
  expect(kids.filter((kid) => kid.startsWith('-'))).toEqual([])
})
