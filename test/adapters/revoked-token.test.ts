/** A revoked opaque token stays revoked even if Redis has older data, also after a reused code. */
import { randomBytes } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type { ArtifactStore } from '../../adapters/index.ts'
import { describeWith } from '../support/programs.ts'
import type { TestEngine } from './engine.ts'
import { startEngine } from './engine.ts'
import type { TestStores } from './stores.ts'
import { createTestStores, storeKinds } from './stores.ts'

/** The contents of Redis, to be restored like a snapshot or a replica that lagged. */
async function copyOf(redis: Redis | Cluster) {
  const nodes = 'nodes' in redis ? redis.nodes('master') : [redis]
  const keys = (await Promise.all(nodes.map((node) => node.keys('latchkey:artifact:*')))).flat()
  const values = await Promise.all(keys.map(async (key) => [key, await redis.getBuffer(key)] as const))
  return async () => {
    for (const [key, value] of values) if (value) await redis.set(key, value)
  }
}

for (const { kind, name, needs } of storeKinds) {
  describeWith(needs, `revoked tokens on ${name}`, () => {
    let stores: TestStores
    let store: ArtifactStore
    let engine: TestEngine
    let other: ArtifactStore
    beforeAll(async () => {
      stores = await createTestStores(kind)
      store = await stores.open()
      engine = await startEngine(store)
      other = await stores.open()
    })
    afterAll(async () => {
      await engine.close()
      await stores.close()
    })

    const userinfo = async (token: string | undefined): Promise<number> => {
      const response = await fetch(`${engine.base}/me`, { headers: { Authorization: `Bearer ${token}` } })
      await response.text()
      return response.status
    }

    test('the access token of a code that is used again is refused at userinfo at once', async () => {
      for (const scope of ['openid', 'openid offline_access']) {
        const { code } = await engine.issueCode({ scope })
        const { access_token: token } = (await engine.redeem(code)).body
        expect(await userinfo(token)).toBe(200)
        const redis = stores.redis()
        const putBack = redis && (await copyOf(redis))
        stores.clock.advance(59_000)
        expect((await engine.redeem(code)).body.error).toBe('invalid_grant')
        expect(await userinfo(token)).toBe(401)
        await putBack?.()
        expect(await userinfo(token)).toBe(401)
      }
    })

    test('a revoked access token does not become valid again with old data of Redis', async () => {
      const { code } = await engine.issueCode()
      const { access_token: token, refresh_token: refreshToken } = (await engine.redeem(code)).body
      const credentials = randomBytes(32).toString('base64url')
      await other.adapter('ClientCredentials').upsert(credentials, { jti: credentials, clientId: 'spa' }, 600)
      const redis = stores.redis()
      const putBack = redis && (await copyOf(redis))
      await other.adapter('AccessToken').destroy(token!)
      await store.middleware({}, async () => {
        expect(await store.adapter('ClientCredentials').find(credentials)).toBeDefined()
        await store.adapter('ClientCredentials').destroy(credentials)
      })
      await putBack?.()
      expect(await engine.isActive(token)).toBe(false)
      expect(await userinfo(token)).toBe(401)
      expect(await other.adapter('ClientCredentials').find(credentials)).toBeUndefined()
      // The rest of the family stays valid, and the denial is stored until the token has expired
      // everywhere.
      expect(await engine.isActive(refreshToken)).toBe(true)
      stores.clock.advance(598_000)
      await other.sweep(1000)
      await putBack?.()
      expect(await other.adapter('ClientCredentials').find(credentials)).toBeUndefined()
    })
  })
}
