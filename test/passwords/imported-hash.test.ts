/**
 * Hashes from other systems. The vectors come from other implementations: bcrypt from libxcrypt
 * (perl's crypt) and Openwall's crypt_blowfish, PBKDF2 and scrypt from Python's hashlib.
 */
import { Registry } from 'prom-client'
import { createPasswordHasher, problemOfImportedHash } from '../../src/passwords/hasher.ts'

const floor = { memoryKiB: 19456, iterations: 2, parallelism: 1 }

function hasher(cost: Partial<typeof floor> = {}) {
  const metrics = new Registry()
  const made = createPasswordHasher({ ...floor, ...cost, slots: 2, queue: 16, metrics })
  const hashes = async () => Number(/_hash_seconds_count (\d+)/.exec(await metrics.metrics())?.[1] ?? 0)
  return { ...made, hashes }
}

const password = 'wonderland tea party'
const vectors: readonly (readonly [made: string, hash: string, password: string])[] = [
  ['bcrypt $2b$, libxcrypt', '$2b$06$abcdefghijklmnopqrstuu7WezVGLQidKhTztf4mu5S2CnCi62of6', password],
  ['bcrypt $2y$, libxcrypt', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.bNL/FLqCxSLbBj40J4Of3MRCZfaZsZu', password],
  ['bcrypt $2a$, libxcrypt', '$2a$04$XXXXXXXXXXXXXXXXXXXXXOpH6o1Mpr/UAZns/A2Hm/pUKIc.aaCLe', password],
  ['bcrypt of UTF-8', '$2b$04$XXXXXXXXXXXXXXXXXXXXXOPOJ/3.drAwY7e6XTH7EXnjFeVu9pBqu', 'café au lait le matin'],
  ['bcrypt, Openwall', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'U*U'],
  ['scrypt', '$scrypt$ln=10,r=8,p=1$+vv8/f7/c2l4dGVlbiBieQ$c4bbOhF2oicm+U70a8tosrLIaWW9gCa8yhpxKeyNzWg', password],
  [
    'scrypt, two lanes',
    '$scrypt$ln=4,r=1,p=2$+vv8/f7/c2l4dGVlbiBieQ$dNRoE/4tYfhRwY3Xkyey8L7MC56jwrlr/vOZX2aOoOE',
    password,
  ],
  ['PBKDF2 SHA-1', '$pbkdf2-sha1$i=1000,l=20$+vv8/f7/c2l4dGVlbiBieQ$D0hY1SnSFD6tW5RLRvlA0BfwysU', password],
  ['PBKDF2 SHA-1, passlib’s way', '$pbkdf2$1000$.vv8/f7/c2l4dGVlbiBieQ$D0hY1SnSFD6tW5RLRvlA0BfwysU', password],
  [
    'PBKDF2 SHA-256',
    '$pbkdf2-sha256$i=1000,l=32$+vv8/f7/c2l4dGVlbiBieQ$GXxFKcyzC+ttyp3771S46HYYOja+pVGWMQfo12emkXc',
    password,
  ],
  [
    'PBKDF2 SHA-256 without a length',
    '$pbkdf2-sha256$i=1000$ZGphbmdvc2FsdA$V+Ewz1uUHf+aKhvvc7d0q8JsnZfDHwma/gb044Jlpqk',
    password,
  ],
  [
    'PBKDF2 SHA-512, passlib’s way',
    '$pbkdf2-sha512$500$.vv8/f7/c2l4dGVlbiBieQ$fXFfeBFwbTF3FG4CX6JCHJuj9j67S59qGMrtpyxFY41pW48Qu2sswptCCQjNE83EaNIBx7OxwUGeZGceOK3X7w',
    password,
  ],
]

test.each(vectors)('%s matches its password and no other, and needs a rehash', async (_made, hash, right) => {
  const { verify, hashes } = hasher()
  expect(problemOfImportedHash(hash)).toBeUndefined()
  expect(await verify(right, hash)).toEqual({ matches: true, needsRehash: true })
  for (const wrong of ['', right.slice(1), `${right} `]) {
    expect(await verify(wrong, hash)).toEqual({ matches: false, needsRehash: false })
  }
  // One slot in the pool each, including the decoy's work.
  expect(await hashes()).toBe(4)
})

const result = 'GXxFKcyzC+ttyp3771S46HYYOja+pVGWMQfo12emkXc'
const salt = 'c2l4dGVlbiBieXRlcw'
const rest = 'CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'

test.each([
  ['bcrypt', '$2b$14$', '$2b$15$', rest],
  ['bcrypt', '$2b$04$', '$2b$31$', rest],
  ['scrypt’s memory', '$scrypt$ln=17,r=8,p=1$', '$scrypt$ln=18,r=8,p=1$', `${salt}$${result}`],
  ['scrypt’s time', '$scrypt$ln=14,r=8,p=8$', '$scrypt$ln=14,r=8,p=9$', `${salt}$${result}`],
  ['PBKDF2', '$pbkdf2-sha256$i=2000000$', '$pbkdf2-sha256$i=2000001$', `${salt}$${result}`],
  ['a result of two digests', '$pbkdf2-sha1$i=1000000$', '$pbkdf2-sha1$i=1000001$', `${salt}$${result}`],
  ['Argon2id’s memory', '$argon2id$v=19$m=262144,t=4,p=4$', '$argon2id$v=19$m=262145,t=1,p=4$', `${salt}$${result}`],
  ['Argon2id’s time', '$argon2id$v=19$m=65536,t=16,p=4$', '$argon2id$v=19$m=65536,t=17,p=4$', `${salt}$${result}`],
])('%s: a hash within the cost limit is accepted, a more expensive one is not', (_what, taken, dear, tail) => {
  expect(problemOfImportedHash(taken + tail)).toBeUndefined()
  expect(problemOfImportedHash(dear + tail)).toBe('hash_too_dear')
})

test.each([
  '',
  'md5:123',
  '5f4dcc3b5aa765d61d8327deb882cf99',
  '$1$abc$def',
  '$6$salt$hash',
  'plain text',
  `$2b$03$${rest}`,
  `$2b$32$${rest}`,
  `$2x$10$${rest}`,
  `$2b$10$${rest.slice(1)}`,
  `$2b$10$${rest}x`,
  `$scrypt$ln=10,r=8$${salt}$${result}`,
  `$scrypt$ln=16,r=1,p=1$${salt}$${result}`,
  `$scrypt$ln=10,r=0,p=1$${salt}$${result}`,
  `$scrypt$ln=10,r=8,p=1$${salt}$c2hvcnQ`,
  `$scrypt$ln=10,r=8,p=1$${salt}$`,
  `$scrypt$n=10,r=8,p=1$${salt}$${result}`,
  `$pbkdf2-md5$i=1000$${salt}$${result}`,
  `$pbkdf2-sha256$i=0$${salt}$${result}`,
  `$pbkdf2-sha256$i=1000,l=20$${salt}$${result}`,
  `$pbkdf2-sha256$i=1000$${salt}$c2hvcnQ`,
  `$pbkdf2-sha256$i=1000$${salt}$${'A'.repeat(120)}`,
  `$argon2id$v=19$m=7,t=1,p=1$${salt}$${result}`,
  `$argon2i$v=19$m=65536,t=3,p=4$${salt}$${result}`,
])('what no sign-in could verify is refused: %j', (hash) => {
  expect(problemOfImportedHash(hash)).toBe('hash_unknown')
})

test('a stored hash that is too expensive never matches', async () => {
  const { verify } = hasher()
  expect(await verify('U*U', `$2b$31$${rest}`)).toEqual({ matches: false, needsRehash: false })
})

test('a cheap hash is one task of the pool, as for an unknown account; foreign-timing.nightly measures its time', async () => {
  const { verify, hashes } = hasher({ memoryKiB: 65_536, iterations: 3, parallelism: 4 })
  for (const [count, hash] of [undefined, `$pbkdf2-sha256$i=1000$${salt}$${result}`].entries()) {
    expect(await verify(password, hash)).toMatchObject({ needsRehash: false })
    expect(await hashes()).toBe(count + 1)
  }
})

test('bcrypt reads 72 bytes, and a password of 255 bytes does not overflow its length', async () => {
  const { verify } = hasher()
  // The hash of a hundred x, by libxcrypt.
  const tail = '04$XXXXXXXXXXXXXXXXXXXXXOhRQOZ9MChqltAOuh3KU6pwJS8Bg3Jxu'
  // 255 bytes and the final zero are 256, which is 0 in one byte. Then only the key's first letter
  // would count.
  const wrapping = `x${'€'.repeat(84)}yy`
  expect(Buffer.byteLength(wrapping)).toBe(255)
  for (const letter of ['a', 'b', 'y']) {
    const hash = `$2${letter}$${tail}`
    // bcrypt did not compare the end, so the typed password is not hashed anew.
    expect(await verify('x'.repeat(100), hash)).toEqual({ matches: true, needsRehash: false })
    expect(await verify('x'.repeat(72), hash)).toEqual({ matches: true, needsRehash: false })
    expect(await verify('x'.repeat(71), hash)).toMatchObject({ matches: false })
    expect(await verify(wrapping, hash)).toMatchObject({ matches: false })
  }
})
