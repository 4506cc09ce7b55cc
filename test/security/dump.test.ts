/**
 * No usable secret at rest: everything that can be created is created, both stores and the log are
 * dumped, and each secret is searched for.
 */

import { Redis } from 'ioredis'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { byAccount, testOrigin } from '../audit/origins.ts'
import { codeAt, fromBase32, offerPhone } from '../mfa/setup.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey, testPassword, webSecret } from '../support/latchkey.ts'
import type { Mailbox, ReceivedEmail } from '../support/mailbox.ts'
import { startMailbox } from '../support/mailbox.ts'
import { describeWith } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
const masterKey = `${'1f'.repeat(16)}${'2e'.repeat(16)}`

/**
 * Every form that a value could have in a dump. A Postgres dump shows bytes as hexadecimal text.
 */
function formsOf(secret: string | Buffer): string[] {
  const bytes = Buffer.isBuffer(secret) ? secret : Buffer.from(secret)
  const text = Buffer.isBuffer(secret) ? [] : [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]
  return [
    ...new Set([
      ...text,
      bytes.toString('hex'),
      bytes.toString('base64').replace(/=+$/, ''),
      bytes.toString('base64url'),
    ]),
  ]
}

const holds = (dump: string, secret: string | Buffer) => formsOf(secret).some((form) => dump.includes(form))

/** Every row of every table as text. */
async function dumpPostgres({ database }: Latchkey): Promise<string> {
  const { rows: tables } = await database.knex.raw<{ rows: { name: string }[] }>(
    `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  )
  const dumps = await Promise.all(
    tables.map(async ({ name }) => {
      const { rows } = await database.knex.raw<{ rows: { row: string }[] }>(`SELECT t::text AS row FROM ${name} AS t`)
      return [name, ...rows.map(({ row }) => row)].join('\n')
    }),
  )
  return dumps.join('\n')
}

async function dumpRedis(url: string): Promise<string> {
  const redis = new Redis(url)
  const keys = await redis.keys('*')
  const values = await Promise.all(
    keys.map(async (key) => {
      const type = await redis.type(key)
      if (type === 'hash')
        return Object.entries(await redis.hgetall(key))
          .flat()
          .join(' ')
      if (type === 'zset') return (await redis.zrange(key, '0', '-1')).join(' ')
      if (type === 'list') return (await redis.lrange(key, 0, -1)).join(' ')
      const value = await redis.getBuffer(key)
      return `${value?.toString('latin1')} ${value?.toString('hex')}`
    }),
  )
  await redis.quit()
  return [...keys, ...values].join('\n')
}

/**
 * A link of every purpose, used and unused, and an email that could not be sent. Returns the usable
 * secrets.
 */
async function makePeople(server: Latchkey, mailbox: Mailbox): Promise<Record<string, string | Buffer>> {
  const { settings, registration, accounts, accountChanges } = server.parts
  await settings.set('registration', 'open', operator)
  const browser = createBrowser()
  const send = async (path: string, fields: Record<string, string>) =>
    browser.submit(await browser.get(server.issuer + path), path, fields)
  const tokenIn = ({ link }: ReceivedEmail) => new URL(link!).searchParams.get('token')!
  const registered = { email: 'dora@example.com', name: 'Dora', password: 'the password of a painter' }
  await send('/register', registered)
  const spent = await mailbox.waitFor(registered.email, 'verify')
  await browser.submit(await browser.get(spent.link!), '/verify')
  await send('/register', { ...registered, email: 'unused@example.com' })
  await send('/recover', { email: registered.email })
  await registration.invite({ email: 'invited@example.com' }, operator)
  const dora = (await accounts.findByEmail(registered.email))!
  const proof = { password: registered.password }
  await accountChanges.requestEmailChange({
    accountId: dora.id,
    origin: testOrigin,
    proof,
    newEmail: 'new@example.com',
  })
  const cookie = (await browser.jar.getCookies(server.issuer)).find(({ key }) => key.endsWith('latchkey.registration'))!
  const tokens = {
    'cookie of the browser that registered': cookie.value,
    'link to confirm, spent': tokenIn(spent),
    'link to confirm': tokenIn(await mailbox.waitFor('unused@example.com', 'verify')),
    'link of a recovery': tokenIn(await mailbox.waitFor(registered.email, 'recovery')),
    invitation: tokenIn(await mailbox.waitFor('invited@example.com', 'invitation')),
    'link of an email change': tokenIn(await mailbox.waitFor('new@example.com', 'email_change')),
  }
  // What waits to be sent is sealed, so its address cannot be read either.
  mailbox.setMood('busy')
  await send('/recover', { email: 'waiting-for-mail@example.com' })
  await send('/register', { ...registered, email: 'waiting@example.com' })
  const { knex } = server.database
  await waitFor(async () => (await knex('graphile_worker._private_jobs').whereNotNull('last_error')).length > 0)
  return {
    ...tokens,
    'password of a registration': registered.password,
    'address of a waiting mail': 'waiting-for-mail@example.com',
  }
}

/** A client assertion and a DPoP proof: accepted together, and both refused when repeated. */
async function makeProofs(server: Latchkey) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(publicKey)
  await server.addClient({
    clientId: 'asserting',
    kind: 'machine',
    metadata: {
      client_name: 'Asserting',
      scope: 'api:read',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [jwk] },
    },
  })
  const iat = Math.floor(server.clock.now() / 1000)
  const [assertion, proof] = await Promise.all([
    new SignJWT({ iss: 'asserting', sub: 'asserting', aud: server.issuer, iat, exp: iat + 60, jti: 'assertion' })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(privateKey),
    new SignJWT({ htm: 'POST', htu: `${server.issuer}/token`, iat, jti: 'proof' })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .sign(privateKey),
  ])
  const fields = {
    grant_type: 'client_credentials',
    client_id: 'asserting',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  }
  const { token } = createRelyingParty(server)
  const statuses = []
  for (let times = 0; times < 2; times += 1) statuses.push((await token(fields, { DPoP: proof })).status)
  expect(statuses).toEqual([200, 401])
  return { assertion, proof }
}

/** Creates one of everything. Returns the secrets by their kind. */
async function makeEverything(server: Latchkey, mailbox: Mailbox): Promise<Record<string, string | Buffer>> {
  const rp = createRelyingParty(server)
  const tokens = await rp.signIn({ scope: 'openid email offline_access' })
  const turned = (await rp.refresh(tokens.refresh_token)).body
  const { code } = await rp.authorize({ scope: 'openid' })
  const machine = await rp.token(
    { grant_type: 'client_credentials' },
    { Authorization: rp.basic('machine', webSecret) },
  )
  const jwt = await rp.token(
    { grant_type: 'client_credentials', resource: api },
    { Authorization: rp.basic('machine', webSecret) },
  )
  const cookies = await rp.browser.jar.getCookies(server.issuer)

  const guest = createRelyingParty(server)
  const page = await guest.browser.follow(
    await guest.browser.get(await guest.authorizeUrl({ state: 'a-state-of-its-own' })),
  )
  const interaction = /interaction\/([\w-]+)/.exec(page.url)![1]!
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)![1]!
  // A person may type the password into the field of the address.
  const typed = 'typed-into-the-wrong-field'
  await guest.browser.submit(page, '/login', { email: typed, password: 'not a password of anybody' })

  const { assertion, proof } = await makeProofs(server)
  // The cookie that binds the interaction contains a time; the uid in its name is searched for as
  // the interaction.
  const guestCookies = (await guest.browser.jar.getCookies(page.url)).filter(({ key }) => !key.includes('latchkey.i.'))

  const padding = `claims=${encodeURIComponent(JSON.stringify({ x: 'y'.repeat(8_000) }))}`
  const parked = await fetch(`${server.issuer}/authorize`, {
    method: 'POST',
    body: new URLSearchParams(`client_id=web&${padding}`),
    redirect: 'manual',
  })
  const rotated = await server.parts.clients.rotateSecret('machine', {}, operator)
  const made = await server.parts.clients.add(
    { kind: 'machine', metadata: { client_name: 'Made', scope: 'api:read' } },
    operator,
  )
  await server.parts.accounts.create(
    { email: 'carol@example.com', password: 'the password of somebody else' },
    operator,
  )

  const people = await makePeople(server, mailbox)
  const { factors, loginSteps, accounts } = server.parts
  const carol = (await accounts.findByEmail('carol@example.com'))!
  const offer = await offerPhone(server.parts, carol, 'dump')
  const seed = fromBase32(offer.secret)
  const added = { offer: offer.sealed, code: codeAt(seed, server.clock.now()) }
  const codes = (await factors.add(
    { accountId: carol.id, generation: carol.generation, by: byAccount(carol.id) },
    'totp',
    'dump',
    added,
  ))!

  return {
    ...people,
    'TOTP secret': seed,
    'TOTP secret, as text': offer.secret.replaceAll(' ', ''),
    'recovery code': codes[0]!,
    'recovery code, without its hyphens': codes[1]!.replaceAll('-', ''),
    'cookie of a remembered browser': (await loginSteps.remember(carol, { origin: testOrigin }))!.token,
    'identifier of a failed sign-in': typed,
    'password of a failed sign-in': 'not a password of anybody',
    'client assertion': assertion,
    'DPoP proof': proof,
    'authorization code': code!,
    'access token': tokens.access_token,
    'refresh token, spent': tokens.refresh_token,
    'refresh token, living': turned.refresh_token,
    'access token of a refresh': turned.access_token,
    'id token': tokens.id_token,
    'client credentials token': machine.body.access_token,
    'JWT access token': jwt.body.access_token,
    ...Object.fromEntries(cookies.map(({ key, value }) => [`cookie ${key}`, value])),
    ...Object.fromEntries(guestCookies.map(({ key, value }) => [`guest's cookie ${key}`, value])),
    'interaction id': interaction,
    'csrf token': csrf,
    'parked request': new URL(parked.headers.get('Location')!, server.issuer).searchParams.get('latchkey_request')!,
    'client secret, supplied': webSecret,
    'client secret, rotated': rotated.secret!,
    'client secret, made': made.secret!,
    'a password': testPassword,
    "another's password": 'the password of somebody else',
    'master key': Buffer.from(masterKey, 'hex'),
    'cookie key': server.parts.rootSecret.derive('cookies'),
    'artifact key': server.parts.rootSecret.derive('artifacts'),
    'client secret key': server.parts.rootSecret.derive('client-secrets'),
    ...Object.fromEntries(
      server.parts.keyRing
        .current()
        .privateJwks.map(({ alg, d }) => [`private key ${alg}`, Buffer.from(d!, 'base64url')]),
    ),
    ...Object.fromEntries(
      server.parts.keyRing.current().privateJwks.map(({ alg, d }) => [`private key ${alg}, as text`, d!]),
    ),
  }
}

async function prove(
  server: Latchkey,
  mailbox: Mailbox,
  dumpAll: () => Promise<string>,
  lines: readonly string[],
): Promise<void> {
  const secrets = await makeEverything(server, mailbox)
  expect(Object.keys(secrets).length).toBeGreaterThan(25)
  for (const [name, secret] of Object.entries(secrets)) expect([name, secret.length >= 10]).toEqual([name, true])
  const dump = await dumpAll()
  const log = lines.join('\n')
  const found = Object.entries(secrets).filter(([, secret]) => holds(dump, secret))
  expect(found.map(([name]) => name)).toEqual([])
  const logged = Object.entries(secrets).filter(([, secret]) => holds(log, secret))
  expect(logged.map(([name]) => name)).toEqual([])
}

test('Postgres and the log contain no secret', async () => {
  const lines: string[] = []
  const mailbox = await startMailbox()
  const server = await startLatchkey({
    env: { MASTER_KEY: masterKey, SMTP_URL: mailbox.url },
    onLog: (line) => lines.push(line),
  })
  try {
    await prove(server, mailbox, () => dumpPostgres(server), lines)
    // The search finds what is not secret: the public part of a key, a digest, an address.
    const dump = await dumpPostgres(server)
    expect(holds(dump, 'alice@example.com')).toBe(true)
    expect(holds(dump, server.parts.keyRing.current().publicJwks[0]!.kid)).toBe(true)
    expect(dump).toContain('public.artifact')
    expect(dump).toContain('graphile_worker')
    expect(lines.length).toBeGreaterThan(10)
  } finally {
    await server.stop()
  }
})

describeWith('redis-server', 'with Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis?.close())

  test('Postgres, Redis and the log contain no secret', async () => {
    const lines: string[] = []
    const mailbox = await startMailbox()
    const env = { MASTER_KEY: masterKey, REDIS_URL: redis.url, SMTP_URL: mailbox.url }
    const server = await startLatchkey({ env, onLog: (line) => lines.push(line) })
    try {
      await server.parts.redis!.whenReady(5_000)
      await prove(server, mailbox, async () => (await dumpPostgres(server)) + (await dumpRedis(redis.url)), lines)
      const keys = new Redis(redis.url)
      expect((await keys.keys('*')).length).toBeGreaterThan(3)
      await keys.quit()
    } finally {
      await server.stop()
    }
  })
})
