/** The contract of an adapter (oidc-provider, example/my_adapter.js), tested on every store. */
import { createHash, randomBytes } from 'node:crypto'
import type { Adapter, AdapterPayload } from 'oidc-provider'
import type { ArtifactStore, ModelName } from '../../adapters/index.ts'
import { models, ReplayDetected } from '../../adapters/index.ts'
import { describeWith } from '../support/programs.ts'
import type { TestStores } from './stores.ts'
import { createTestStores, storeKinds } from './stores.ts'

const newId = () => randomBytes(32).toString('base64url')
const unusual = [
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udc00x',
  'é\u0301',
  '\u{1F600}',
  '"\\\'',
  ' ',
  '$1',
  '%00',
  '__proto__',
  '{tag}',
]

for (const { kind, name, needs } of storeKinds) {
  describeWith(needs, name, () => {
    let stores: TestStores
    let store: ArtifactStore
    const adapter = (model: ModelName): Adapter => store.adapter(model)

    beforeAll(async () => {
      stores = await createTestStores(kind)
      store = await stores.open()
    })
    afterAll(() => stores.close())

    const stored = (Object.keys(models) as ModelName[]).filter((model) => model !== 'ReplayDetection')

    test.each(stored)('a saved %s is found, can be saved again, and is not found after destroy', async (model) => {
      const id = newId()
      expect(await adapter(model).find(id)).toBeUndefined()
      await adapter(model).upsert(id, { jti: id, kind: model, nested: { list: [1, 'two', null] } }, 60)
      expect(await adapter(model).find(id)).toEqual({ jti: id, kind: model, nested: { list: [1, 'two', null] } })
      await adapter(model).upsert(id, { jti: id, kind: model, acr: 'new' }, 60)
      expect(await adapter(model).find(id)).toEqual({ jti: id, kind: model, acr: 'new' })
      await adapter(model).destroy(id)
      expect(await adapter(model).find(id)).toBeUndefined()
      await adapter(model).destroy(id)
    })

    test('an id is found only within its model', async () => {
      const id = newId()
      await adapter('AuthorizationCode').upsert(id, { jti: id }, 60)
      await adapter('AccessToken').upsert(id, { jti: id, scope: 'x' }, 60)
      expect(await adapter('RefreshToken').find(id)).toBeUndefined()
      expect(await adapter('AuthorizationCode').find(id)).toEqual({ jti: id })
      expect(await adapter('AccessToken').find(id)).toEqual({ jti: id, scope: 'x' })
    })

    test('a session is found by its uid, also after its id has changed, until it is destroyed', async () => {
      const [first, second, uid] = [newId(), newId(), newId()]
      await adapter('Session').upsert(first, { jti: first, uid, accountId: 'a' }, 60)
      expect(await adapter('Session').findByUid(uid)).toMatchObject({ jti: first, accountId: 'a' })
      await adapter('Session').destroy(first)
      await adapter('Session').upsert(second, { jti: second, uid, accountId: 'a' }, 60)
      expect(await adapter('Session').findByUid(uid)).toMatchObject({ jti: second })
      await adapter('Session').destroy(second)
      expect(await adapter('Session').findByUid(uid)).toBeUndefined()
    })

    test('a device code is found by its user code', async () => {
      const [id, userCode] = [newId(), newId()]
      await adapter('DeviceCode').upsert(id, { jti: id, userCode }, 60)
      expect(await adapter('DeviceCode').findByUserCode(userCode)).toEqual({ jti: id, userCode })
      expect(await adapter('DeviceCode').findByUserCode(`${userCode}x`)).toBeUndefined()
    })

    const spendable = stored.filter((model) => ['source', 'request'].includes(models[model].spentAs ?? ''))
    test.each(spendable)('a %s is consumed once by concurrent requests', async (model) => {
      const id = newId()
      await adapter(model).upsert(id, { jti: id }, 60)
      const tries = await Promise.allSettled(Array.from({ length: 20 }, () => adapter(model).consume(id)))
      expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await adapter(model).find(id)).toEqual({ jti: id, consumed: Math.floor(stores.clock.now() / 1000) })
      await adapter(model).upsert(id, { jti: id, acr: 'saved again' }, 60)
      expect(await adapter(model).find(id)).toMatchObject({ consumed: expect.any(Number) })
    })

    test('an unknown code cannot be consumed', async () => {
      await expect(adapter('AuthorizationCode').consume(newId())).rejects.toMatchObject({ error: 'invalid_grant' })
    })

    test('a proof is new for one of concurrent requests, and known until it expires (RFC 9449 §11.1)', async () => {
      const id = newId()
      const answers = await Promise.all(Array.from({ length: 20 }, () => adapter('ReplayDetection').find(id)))
      expect(answers.filter((answer) => answer === undefined)).toHaveLength(1)
      await adapter('ReplayDetection').upsert(id, { jti: id, iss: 'client' }, 60)
      expect(await adapter('ReplayDetection').find(id)).toBeDefined()
      await expect(adapter('ReplayDetection').upsert(id, { jti: id }, 60)).rejects.toBeInstanceOf(ReplayDetected)
      stores.clock.advance(61_000)
      expect(await adapter('ReplayDetection').find(id)).toBeUndefined()
    })

    const hanging = ['AuthorizationCode', 'RefreshToken', 'AccessToken', 'DeviceCode'] as const
    test('revokeByGrantId ends the artifacts of that grant, and no others', async () => {
      const [grantId, otherGrantId] = [newId(), newId()]
      const ids = hanging.map((model) => ({ model, id: newId(), otherId: newId() }))
      for (const { model, id, otherId } of ids) {
        await adapter(model).upsert(id, { jti: id, grantId }, 60)
        await adapter(model).upsert(otherId, { jti: otherId, grantId: otherGrantId }, 60)
      }
      stores.clock.advance(1)
      await adapter('AccessToken').revokeByGrantId(grantId)
      for (const { model, id, otherId } of ids) {
        expect(await adapter(model).find(id)).toBeUndefined()
        expect(await adapter(model).find(otherId)).toEqual({ jti: otherId, grantId: otherGrantId })
      }
      stores.clock.advance(1)
      const later = newId()
      await adapter('AccessToken').upsert(later, { jti: later, grantId }, 60)
      expect(await adapter('AccessToken').find(later)).toBeDefined()
    })

    test.each(stored)('a %s expires by our clock, to the second', async (model) => {
      const [byTtl, byExp] = [newId(), newId()]
      await adapter(model).upsert(byTtl, { jti: byTtl }, 60)
      const exp = Math.floor(stores.clock.now() / 1000) + 60
      await adapter(model).upsert(byExp, { jti: byExp, exp }, 3600)
      stores.clock.set(exp * 1000 - 1)
      expect(await adapter(model).find(byTtl)).toBeDefined()
      expect(await adapter(model).find(byExp)).toBeDefined()
      stores.clock.set(exp * 1000)
      expect(await adapter(model).find(byExp)).toBeUndefined()
      stores.clock.advance(1000)
      expect(await adapter(model).find(byTtl)).toBeUndefined()
    })

    test.each(['Session', 'AccessToken'] as const)('unusual characters in a %s are preserved', async (model) => {
      for (const [index, text] of unusual.entries()) {
        const id = `${newId()}${text}`
        const payload = {
          jti: id,
          uid: `${index}${text}`,
          accountId: text,
          clientId: text,
          nonce: text,
          [text]: text,
        }
        await adapter(model).upsert(id, payload, 60)
        expect(await adapter(model).find(id)).toEqual(payload)
        if (model === 'Session') expect(await adapter(model).findByUid(`${index}${text}`)).toEqual(payload)
      }
    })

    test('ids that differ only in half a surrogate pair are different ids', async () => {
      await adapter('Grant').upsert('half \ud800', { jti: 'first' }, 60)
      expect(await adapter('Grant').find('half \ud801')).toBeUndefined()
    })

    test.each(['Grant', 'AccessToken'] as const)('a %s of one megabyte is stored and found', async (model) => {
      const id = newId()
      const payload = { jti: id, claims: randomBytes(750_000).toString('base64') }
      await adapter(model).upsert(id, payload as AdapterPayload, 60)
      expect(await adapter(model).find(id)).toEqual(payload)
    })

    test('concurrent requests succeed, in every Redis slot and in one', async () => {
      const scattered = Array.from({ length: 200 }, newId)
      const together = Array.from({ length: 200 }, () => `{same}${newId()}`)
      const ids = [...scattered, ...together]
      await Promise.all(ids.map((id) => adapter('AccessToken').upsert(id, { jti: id }, 60)))
      const found = await Promise.all(ids.map((id) => adapter('AccessToken').find(id)))
      expect(found).toEqual(ids.map((id) => ({ jti: id })))
      await Promise.all(ids.map((id) => adapter('AccessToken').destroy(id)))
      expect((await Promise.all(ids.map((id) => adapter('AccessToken').find(id)))).filter(Boolean)).toEqual([])
    })

    test('a row that cannot be written fails alone, and concurrent rows are written', async () => {
      const good = Array.from({ length: 5 }, newId)
      const bad = newId()
      const results = await Promise.allSettled([
        ...good.map((id) => adapter('Grant').upsert(id, { jti: id }, 60)),
        adapter('Grant').upsert(bad, { jti: bad, exp: 2 ** 80 }),
      ])
      expect(results.map(({ status }) => status)).toEqual([...good.map(() => 'fulfilled'), 'rejected'])
      for (const id of good) expect(await adapter('Grant').find(id)).toBeDefined()
    })

    test('a parked request is returned once, and not after its expiry', async () => {
      const [id, late] = [newId(), newId()]
      await store.park(id, 'a=1&b=%00', 60)
      await store.park(late, 'x', 60)
      const taken = await Promise.all(Array.from({ length: 20 }, () => store.take(id)))
      expect(taken.filter((text) => text !== undefined)).toEqual(['a=1&b=%00'])
      stores.clock.advance(60_000)
      expect(await store.take(late)).toBeUndefined()
    })

    test('the sweep removes expired rows in batches, and no others', async () => {
      stores.clock.advance(100 * 24 * 3600 * 1000)
      while ((await store.sweep(100)) > 0);
      const [short, long] = [newId(), newId()]
      for (let index = 0; index < 25; index += 1) await adapter('Grant').upsert(`${short}${index}`, { jti: short }, 60)
      await adapter('Grant').upsert(long, { jti: long }, 3600)
      stores.clock.advance(61_000)
      expect([await store.sweep(10), await store.sweep(10), await store.sweep(10), await store.sweep(10)]).toEqual([
        10, 10, 5, 0,
      ])
      expect(await adapter('Grant').find(long)).toBeDefined()
    })

    test('no id is stored in plain text, as a key or in a value', async () => {
      const secrets = Object.fromEntries(
        ['jti', 'grantId', 'sessionUid', 'uid', 'userCode', 'sid'].map((field) => [field, newId()]),
      )
      const payload = { ...secrets, session: { cookie: newId(), uid: newId() }, returnTo: `https://x/${newId()}` }
      const own: string[] = []
      for (const model of stored) {
        const id = newId()
        own.push(id)
        await adapter(model).upsert(id, payload, 60)
      }
      const parked = newId()
      await store.park(parked, newId(), 60)
      const { rows } = await stores.database.pool.query('SELECT a::text AS text FROM artifact a')
      const dump = rows.map(({ text }) => text).join('\n') + (await dumpRedis(stores))
      const values = [...own, parked, ...Object.values(secrets), ...Object.values(payload.session), payload.returnTo]
      for (const value of values) {
        expect(dump).not.toContain(value)
        expect(dump).not.toContain(Buffer.from(value).toString('hex'))
        expect(dump).not.toContain(createHash('sha256').update(value).digest('hex'))
      }
    })
  })
}

async function dumpRedis(stores: TestStores): Promise<string> {
  const client = stores.redis()
  if (!client) return ''
  const nodes = 'nodes' in client ? client.nodes('master') : [client]
  let dump = ''
  for (const node of nodes) {
    for (const key of await node.keys('*')) {
      const value = await node.getBuffer(key)
      dump += `${key} ${value?.toString('latin1')} ${value?.toString('hex')}\n`
    }
  }
  expect(dump).not.toBe('')
  return dump
}
