/**
 * Accounts with an imported hash: their users sign in with the old password, once against that
 * hash, then against ours.
 */
import { readFileSync } from 'node:fs'
import { problemOfImportedHash } from '../../src/passwords/hasher.ts'
import { operator } from '../registration/setup.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, testPassword } from '../support/latchkey.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server?.stop())

async function signIn(email: string, password: string): Promise<number> {
  const rp = createRelyingParty(server)
  const page = await rp.browser.follow(await rp.browser.get(await rp.authorizeUrl()))
  return (await rp.browser.submit(page, '/login', { email, password })).status
}

const importLine = (document: unknown) =>
  server.parts.accountImport.importBatch([{ number: 1, text: JSON.stringify(document) }], undefined, operator)
const hashOf = async (email: string) => (await server.parts.accounts.findByEmail(email))!.passwordHash!

/** Of `testPassword`, by libxcrypt and by Python's hashlib; see imported-hash.test.ts. */
const hashes = {
  bcrypt: '$2y$05$CCCCCCCCCCCCCCCCCCCCC.bNL/FLqCxSLbBj40J4Of3MRCZfaZsZu',
  scrypt: '$scrypt$ln=10,r=8,p=1$+vv8/f7/c2l4dGVlbiBieQ$c4bbOhF2oicm+U70a8tosrLIaWW9gCa8yhpxKeyNzWg',
  pbkdf2: '$pbkdf2-sha256$1000$.vv8/f7/c2l4dGVlbiBieQ$GXxFKcyzC.ttyp3771S46HYYOja.pVGWMQfo12emkXc',
}

test.each(Object.entries(hashes))(
  '%s: a sign-in verifies the hash and replaces it by Argon2id, and the password stays valid',
  async (kind, hash) => {
    const email = `${kind}@example.com`
    expect(await importLine({ email, email_verified: true, password_hash: hash })).toMatchObject({ imported: 1 })
    expect(await signIn(email, 'not the password at all')).toBe(400)
    expect(await hashOf(email)).toBe(hash)
    expect(await signIn(email, testPassword)).toBe(200)
    const replaced = await hashOf(email)
    expect(replaced).toMatch(/^\$argon2id\$v=19\$m=19456,/)
    expect(await signIn(email, testPassword)).toBe(200)
    expect(await signIn(email, 'not the password at all')).toBe(400)
    expect(await hashOf(email)).toBe(replaced)
  },
)

test('two concurrent sign-ins with an imported hash both succeed, and it is replaced', async () => {
  const email = 'twice@example.com'
  await importLine({ email, email_verified: true, password_hash: hashes.bcrypt })
  expect(await Promise.all([signIn(email, testPassword), signIn(email, testPassword)])).toEqual([200, 200])
  expect(await hashOf(email)).toMatch(/^\$argon2id\$/)
})

test('a disabled account with an imported hash cannot sign in, and keeps the hash', async () => {
  const email = 'disabled-foreign@example.com'
  await importLine({ email, email_verified: true, disabled: true, password_hash: hashes.scrypt })
  expect(await signIn(email, testPassword)).toBe(400)
  expect(await hashOf(email)).toBe(hashes.scrypt)
})

test('an unknown or too expensive hash is refused at the import, with the reason', async () => {
  for (const [hash, code] of [
    ['$1$salt$hashhashhash', 'hash_unknown'],
    [hashes.bcrypt.replace('$05$', '$20$'), 'hash_too_dear'],
    [`${hashes.bcrypt}${'x'.repeat(600)}`, 'hash_unknown'],
  ] as const) {
    expect(await importLine({ email: 'refused@example.com', password_hash: hash })).toMatchObject({
      imported: 0,
      refused: [{ line: 1, problems: [{ path: 'password_hash', code }] }],
    })
  }
})

test('the hashes in docs/passwords.md are accepted', () => {
  const page = readFileSync('docs/passwords.md', 'utf8')
  const shown = [...page.matchAll(/`(\$[^`…]{40,})`/g)].map(([, hash]) => hash!)
  expect(shown.length).toBeGreaterThanOrEqual(4)
  for (const hash of shown) expect([hash, problemOfImportedHash(hash)]).toEqual([hash, undefined])
})
