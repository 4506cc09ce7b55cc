/** The jti of a JWT: its sealed contents, and its revocation. */
import { randomBytes } from 'node:crypto'
import type { ArtifactStore } from '../../adapters/index.ts'
import { describeWith } from '../support/programs.ts'
import type { TestStores } from './stores.ts'
import { createTestStores, storeKinds } from './stores.ts'

const person = { clientId: 'web', accountId: 'alice' }
const machine = { clientId: 'robot', accountId: undefined }
const kid = 'the-key'

for (const { kind, name, needs } of storeKinds.filter(({ kind }) => kind !== 'cluster')) {
  describeWith(needs, `ids of tokens on ${name}`, () => {
    let stores: TestStores
    let store: ArtifactStore
    let other: ArtifactStore

    beforeAll(async () => {
      stores = await createTestStores(kind)
      store = await stores.open()
      other = await stores.open()
    })
    afterAll(() => stores.close())

    const newGrant = async (expiresIn = 3600): Promise<string> => {
      const grantId = randomBytes(16).toString('base64url')
      const exp = Math.floor(stores.clock.now() / 1000) + expiresIn
      await store.adapter('Grant').upsert(grantId, { accountId: 'alice', clientId: 'web', exp }, expiresIn)
      return grantId
    }
    const issue = (roots: { grantId?: string; sessionUid?: string }, owner: typeof person | typeof machine = person) =>
      store.tokenIds.seal(owner, {
        issuedAt: stores.clock.now(),
        grantId: roots.grantId,
        sessionUid: roots.sessionUid,
      })

    test('a token id is accepted by every process, and in no other token', async () => {
      const jti = issue({ grantId: await newGrant() })
      expect(await other.tokenIds.isAlive(jti, person, kid)).toBe(true)
      expect(await other.tokenIds.isAlive(jti, { ...person, clientId: 'spa' }, kid)).toBe(false)
      expect(await other.tokenIds.isAlive(jti, { ...person, accountId: 'bob' }, kid)).toBe(false)
      expect(await other.tokenIds.isAlive(`${jti.slice(0, -2)}AA`, person, kid)).toBe(false)
      for (const wrong of ['', 'x', 'A'.repeat(200)])
        expect(await other.tokenIds.isAlive(wrong, person, kid)).toBe(false)
    })

    test('a user’s token is invalid when its grant was deleted or has expired', async () => {
      const [removed, expired] = [await newGrant(), await newGrant(60)]
      const jtis = [issue({ grantId: removed }), issue({ grantId: expired })] as const
      await stores.database.knex.raw('DELETE FROM artifact WHERE expires_at > ? AND model = 2', [
        stores.clock.now() + 60_000,
      ])
      expect(await store.tokenIds.isAlive(jtis[0], person, kid)).toBe(false)
      expect(await store.tokenIds.isAlive(jtis[1], person, kid)).toBe(true)
      stores.clock.advance(60_000)
      expect(await store.tokenIds.isAlive(jtis[1], person, kid)).toBe(false)
      expect(await store.tokenIds.isAlive(issue({}), person, kid)).toBe(false)
    })

    test('a machine’s token needs no grant, and is invalid in every process after the end of its client, its key or itself', async () => {
      const endings = [
        (jti: string) => stores.database.transaction((tx) => store.denyToken(tx, jti)),
        () => stores.database.transaction((tx) => store.endClient(tx, 'robot')),
        () => stores.database.transaction((tx) => store.endSigningKey(tx, 'leaked-key')),
      ]
      for (const end of endings) {
        const jti = issue({}, machine)
        expect(await other.tokenIds.isAlive(jti, machine, 'leaked-key')).toBe(true)
        await end(jti)
        expect(await other.tokenIds.isAlive(jti, machine, 'leaked-key')).toBe(false)
        stores.clock.advance(1)
      }
      expect(await other.tokenIds.isAlive(issue({}, machine), machine, kid)).toBe(true)
    })

    test('concurrent checks get the answer for their own token', async () => {
      const grants = await Promise.all(Array.from({ length: 40 }, () => newGrant()))
      const jtis = grants.map((grantId) => issue({ grantId }))
      await stores.database.transaction(async (tx) => {
        for (const jti of jtis.filter((_, index) => index % 3 === 0)) await store.denyToken(tx, jti)
      })
      const alive = await Promise.all(jtis.map((jti) => other.tokenIds.isAlive(jti, person, kid)))
      expect(alive).toEqual(jtis.map((_, index) => index % 3 !== 0))
    })

    test('an end is stored for longer than any token is valid', async () => {
      const jti = issue({}, machine)
      await stores.database.transaction((tx) => store.denyToken(tx, jti))
      stores.clock.advance(3_600_000)
      while ((await store.sweep(1000)) > 0);
      expect(await other.tokenIds.isAlive(jti, machine, kid)).toBe(false)
    })
  })
}
