/** Refresh with a grace window: repeats that get the same token, and reuse (RFC 9700 §4.14.2). */

import type { CryptoKey } from 'jose'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describeWith } from '../support/programs.ts'
import type { Answer, TestEngine } from './engine.ts'
import { startEngine } from './engine.ts'
import type { TestStores } from './stores.ts'
import { createTestStores, storeKinds } from './stores.ts'

const refused = (answer: Answer) => expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])

for (const { kind, name, needs } of storeKinds.filter(({ kind }) => kind !== 'cluster')) {
  describeWith(needs, `refresh on ${name}`, () => {
    let stores: TestStores
    let engine: TestEngine

    beforeAll(async () => {
      stores = await createTestStores(kind)
      engine = await startEngine(await stores.open())
    })
    beforeEach(() => {
      stores.setGraceSeconds(30)
      stores.familyEnds.length = 0
    })
    afterEach(() => expect(engine.failures).toEqual([]))
    afterAll(async () => {
      await engine.close()
      await stores.close()
    })

    async function family(more: Record<string, string> = {}, headers?: Record<string, string>) {
      const { code, grantId } = await engine.issueCode({ clientId: more.client_id ?? 'spa' })
      const { body, status } = await engine.redeem(code, more, headers)
      expect([status, body.error_description]).toEqual([200, undefined])
      return { token: body.refresh_token, accessToken: body.access_token, code, grantId }
    }

    async function turn(token: string | undefined): Promise<string | undefined> {
      const { status, body } = await engine.refresh(token)
      expect(status).toBe(200)
      return body.refresh_token
    }

    const ended = () => stores.familyEnds.map(({ reason }) => reason)

    test('each refresh gives another refresh token, and the previous one is spent', async () => {
      const { token } = await family()
      const second = await turn(token)
      expect(second).not.toBe(token)
      expect(await engine.isActive(second)).toBe(true)
      expect(await engine.isActive(token)).toBe(false)
    })

    test('a repeat within the window gets the same refresh token and a fresh access token', async () => {
      const { token } = await family()
      const first = await engine.refresh(token)
      stores.clock.advance(29_999)
      const second = await engine.refresh(token)
      expect(second.status).toBe(200)
      expect(second.body.refresh_token).toBe(first.body.refresh_token)
      expect(second.body.access_token).not.toBe(first.body.access_token)
      expect(await engine.isActive(second.body.access_token)).toBe(true)
      expect(await engine.isActive(second.body.refresh_token)).toBe(true)
      expect(ended()).toEqual([])
    })

    test('a repeat after its successor was spent gets the unspent token at the end of the chain', async () => {
      const { token } = await family()
      const third = await turn(await turn(token))
      expect(await turn(token)).toBe(third)
      const fourth = await turn(third)
      expect(await turn(token)).toBe(fourth)
      expect(ended()).toEqual([])
    })

    test('after the window a spent token is refused and its family ends', async () => {
      const { token, accessToken } = await family()
      const second = await engine.refresh(token)
      stores.clock.advance(30_000)
      refused(await engine.refresh(token))
      refused(await engine.refresh(second.body.refresh_token))
      expect(await engine.isActive(second.body.access_token)).toBe(false)
      expect(await engine.isActive(accessToken)).toBe(false)
      expect(stores.familyEnds).toEqual([
        { reason: 'refresh_token_reused', accountId: 'alice', clientId: 'spa', presentedBy: 'spa' },
      ])
    })

    test('after the window the family ends also when the request is wrong in another way', async () => {
      const { token } = await family()
      const second = await turn(token)
      stores.clock.advance(30_000)
      expect((await engine.refresh(token, { scope: 'openid offline_access' })).body.error).toBe('invalid_scope')
      refused(await engine.refresh(second))
    })

    test('without a window the first repeat ends the family', async () => {
      stores.setGraceSeconds(0)
      const { token } = await family()
      const second = await turn(token)
      refused(await engine.refresh(token))
      refused(await engine.refresh(second))
      expect(ended()).toEqual(['refresh_token_reused'])
    })

    test('a spent token from another client is refused and ends the family, even within the window', async () => {
      const { token } = await family()
      const second = await turn(token)
      refused(await engine.refresh(token, { client_id: 'other-spa' }))
      refused(await engine.refresh(second))
      expect(stores.familyEnds).toEqual([
        { reason: 'other_client', accountId: 'alice', clientId: 'spa', presentedBy: 'other-spa' },
      ])
    })

    test('an unspent token or code from another client is refused, and changes nothing', async () => {
      const { token } = await family()
      refused(await engine.refresh(token, { client_id: 'other-spa' }))
      expect(await turn(token)).toBeDefined()
      const { code } = await engine.issueCode()
      refused(await engine.redeem(code, { client_id: 'other-spa' }))
      expect((await engine.redeem(code)).status).toBe(200)
      expect(ended()).toEqual([])
    })

    test('a repeat that asks for too much is refused, and the family stays valid', async () => {
      const { token } = await family()
      const second = await turn(token)
      expect((await engine.refresh(token, { scope: 'openid email' })).status).toBe(400)
      expect(await turn(second)).toBeDefined()
    })

    test('a refresh that the engine refuses late leaves the token valid', async () => {
      const { token } = await family()
      // The engine resolves the resource after it has consumed the token.
      const { status, body } = await engine.refresh(token, { resource: 'https://unknown.example/' })
      expect([status, body.error]).toEqual([400, 'invalid_target'])
      stores.clock.advance(60_000)
      expect(await turn(token)).toBeDefined()
    })

    test('a refresh is refused when a concurrent one finished first with fewer scopes', async () => {
      const { code } = await engine.issueCode({ scope: 'openid offline_access' })
      const { refresh_token: token } = (await engine.redeem(code)).body
      const narrow = await startEngine(await stores.open({ allowedScope: async () => 'openid' }))
      let turns = 0
      const overtaken = await startEngine(
        await stores.open({
          allowedScope: async (_clientId, scope) => {
            turns += 1
            if (turns === 1) expect((await narrow.refresh(token)).body.scope).toBe('openid')
            return scope
          },
        }),
      )
      expect((await overtaken.refresh(token)).body).not.toHaveProperty('access_token')
      expect((await overtaken.refresh(token)).body.scope).toBe('openid')
      await Promise.all([narrow.close(), overtaken.close()])
    })

    test('a spent code ends the family, whichever client presents it', async () => {
      const first = await family()
      refused(await engine.redeem(first.code))
      refused(await engine.refresh(first.token))
      const second = await family()
      refused(await engine.redeem(second.code, { client_id: 'other-spa' }))
      refused(await engine.refresh(second.token))
      expect(await engine.isActive(second.accessToken)).toBe(false)
      expect(ended()).toEqual(['code_reused', 'other_client'])
    })

    test('revoking any token of a family ends it (RFC 7009 §2.1), a spent one too', async () => {
      for (const pick of ['refresh_token', 'access_token'] as const) {
        const { code } = await engine.issueCode()
        const { body } = await engine.redeem(code)
        expect((await engine.revoke(body[pick])).status).toBe(200)
        expect(await engine.isActive(body.access_token)).toBe(false)
        refused(await engine.refresh(body.refresh_token))
      }
      const { token } = await family()
      const second = await turn(token)
      await engine.revoke(token)
      refused(await engine.refresh(second))
    })

    test('an expired refresh token is refused, and its family is not counted as stolen', async () => {
      const { token } = await family()
      stores.clock.advance(14 * 86_400_000)
      refused(await engine.refresh(token))
      expect(ended()).toEqual([])
    })

    describe('with DPoP keys (RFC 9449)', () => {
      type Key = { privateKey: CryptoKey; publicKey: CryptoKey; thumbprint: string }
      let keys: [Key, Key]

      beforeAll(async () => {
        const make = async (): Promise<Key> => {
          const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
          return { privateKey, publicKey, thumbprint: await calculateJwkThumbprint(await exportJWK(publicKey)) }
        }
        keys = [await make(), await make()]
      })

      let passwordCheckLimit = 0
      async function proof({ privateKey, publicKey }: Key): Promise<Record<string, string>> {
        passwordCheckLimit += 1
        const jwt = new SignJWT({
          htm: 'POST',
          htu: `${engine.base}/token`,
          jti: `proof ${passwordCheckLimit} ${Math.random()}`,
        })
          .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(publicKey) })
          .setIssuedAt()
        return { DPoP: await jwt.sign(privateKey) }
      }
      const web = { client_id: 'web', client_secret: 'a secret of the web client' }

      test('a repeat with the same key gets the same token, bound to the key', async () => {
        for (const client of [{ client_id: 'spa' }, web]) {
          const { token } = await family(client, await proof(keys[0]))
          const first = await engine.refresh(token, client, await proof(keys[0]))
          const second = await engine.refresh(token, client, await proof(keys[0]))
          expect([first.status, second.status]).toEqual([200, 200])
          expect(second.body.refresh_token).toBe(first.body.refresh_token)
          expect(second.body.token_type).toBe('DPoP')
        }
        expect(ended()).toEqual([])
      })

      test('a spent bound token with another key, or without a proof, ends the family', async () => {
        const spa = { client_id: 'spa' }
        for (const thief of [() => proof(keys[1]), async () => ({})]) {
          const { token } = await family(spa, await proof(keys[0]))
          const first = await engine.refresh(token, spa, await proof(keys[0]))
          expect(first.status).toBe(200)
          refused(await engine.refresh(token, spa, await thief()))
          refused(await engine.refresh(first.body.refresh_token, spa, await proof(keys[0])))
        }
        expect(ended()).toEqual(['other_key', 'other_key'])
      })

      test('a spent token of a confidential client with another key gives the same token again, bound to that key (RFC 9449 §5)', async () => {
        const { token } = await family(web, await proof(keys[0]))
        const first = await engine.refresh(token, web, await proof(keys[0]))
        for (const [headers, thumbprint] of [
          [await proof(keys[1]), keys[1].thumbprint],
          [{}, undefined],
        ] as const) {
          const again = await engine.refresh(token, web, headers)
          expect([again.status, again.body.refresh_token]).toEqual([200, first.body.refresh_token])
          expect(again.body.token_type).toBe(thumbprint === undefined ? 'Bearer' : 'DPoP')
          const { body } = await engine.post('/token/introspection', { ...web, token: again.body.access_token ?? '' })
          expect((body.cnf as unknown as { jkt?: string } | undefined)?.jkt).toBe(thumbprint)
        }
        expect((await engine.refresh(first.body.refresh_token, web, await proof(keys[1]))).status).toBe(200)
        expect(ended()).toEqual([])
        stores.clock.advance(30_000)
        refused(await engine.refresh(token, web, await proof(keys[1])))
        expect(ended()).toEqual(['refresh_token_reused'])
      })

      test('an unspent token with another key is refused, and changes nothing', async () => {
        const { token } = await family({}, await proof(keys[0]))
        refused(await engine.refresh(token, {}, await proof(keys[1])))
        expect((await engine.refresh(token, {}, await proof(keys[0]))).status).toBe(200)
      })

      test('of concurrent uses of one proof one succeeds (RFC 9449 §11.1)', async () => {
        const { token } = await family({}, await proof(keys[0]))
        const same = await proof(keys[0])
        const answers = await Promise.all(Array.from({ length: 20 }, () => engine.refresh(token, {}, same)))
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
        expect(answers.filter(({ status }) => status === 400)).toHaveLength(19)
        expect(ended()).toEqual([])
      })
    })
  })
}
