/** Client authentication by `private_key_jwt` (RFC 7523 §3, OpenID Connect Core 1.0 §9). */
import { createSecretKey, randomUUID } from 'node:crypto'
import type { RequestListener, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JWK } from 'jose'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as client from 'openid-client'
import { createSentences } from '../../src/locales.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { api, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { ecJwk, edPoint, evenModulus, exponentOne, forgedJwt, offCurve, rsaJwk } from '../support/public-keys.ts'
import { minutes } from './support.ts'

let server: Latchkey
let keys: Awaited<ReturnType<typeof makeKeys>>
const published: Server[] = []

beforeAll(async () => {
  server = await startLatchkey()
  keys = await makeKeys()
  await addMachine('job', { jwks: { keys: [keys.jwk] }, client_assertion_audience: 'issuer' })
  await addMachine('spring', { jwks: { keys: [keys.jwk] } })
})
afterAll(async () => {
  for (const one of published) one.close()
  await server.stop()
})

async function makeKeys(kid = 'first', alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } as JWK }
}

const addMachine = (clientId: string, metadata: Record<string, unknown>) =>
  server.addClient({
    clientId,
    kind: 'machine',
    metadata: { client_name: 'Job', scope: 'api:read', token_endpoint_auth_method: 'private_key_jwt', ...metadata },
  })

type Claims = Record<string, unknown>

function assertion(clientId: string, claims: Claims = {}, header: Claims = {}, key = keys.privateKey) {
  const now = Math.floor(server.clock.now() / 1000)
  const all = {
    iss: clientId,
    sub: clientId,
    aud: server.issuer,
    iat: now,
    exp: now + 60,
    jti: randomUUID(),
    ...claims,
  }
  return new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid: 'first', ...header } as never).sign(key)
}

/** An assertion that needs no private key, for a key with e = 1. */
function forged(clientId: string, claims: Claims = {}, header: Claims = {}) {
  const now = Math.floor(server.clock.now() / 1000)
  return forgedJwt(
    { alg: 'RS256', kid: 'weak', ...header },
    { iss: clientId, sub: clientId, aud: server.issuer, exp: now + 60, jti: randomUUID(), ...claims },
  )
}

const ask = (jwt: string, fields: Record<string, string> = {}, headers: Record<string, string> = {}) =>
  createRelyingParty(server).call(
    '/token',
    {
      grant_type: 'client_credentials',
      resource: api,
      scope: 'api:read',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: jwt,
      ...fields,
    },
    headers,
  )
const refused = { status: 401, body: { error: 'invalid_client' } }

describe('an assertion', () => {
  test('signed with the registered key is accepted, with or without client_id, and at introspection and revocation too', async () => {
    const { body } = await ask(await assertion('job'))
    expect(body).toMatchObject({ access_token: expect.any(String) })
    expect(await ask(await assertion('job'), { client_id: 'job' })).toMatchObject({ status: 200 })
    const rp = createRelyingParty(server)
    const fields = async () => ({
      token: body.access_token,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion('job'),
    })
    expect((await rp.call('/introspect', await fields())).body).toMatchObject({ active: true })
    expect((await rp.call('/revoke', await fields())).status).toBe(200)
    expect((await rp.call('/introspect', await fields())).body).toEqual({ active: false })
  })

  test('is accepted once: 50 concurrent uses give one token', async () => {
    const jwt = await assertion('job')
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(jwt)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(49)
    expect(await ask(jwt)).toMatchObject(refused)
  })

  test.each<[string, Claims]>([
    ['no jti', { jti: undefined }],
    ['no exp', { exp: undefined }],
    ['no aud', { aud: undefined }],
    ['another iss', { iss: 'machine' }],
    ['another sub', { sub: 'machine' }],
    ['the audience of another server', { aud: 'https://other.example' }],
    ['a list of audiences', { aud: ['https://other.example'] }],
    ['no text as its audience', { aud: 7 }],
  ])('with %s is refused', async (_case, claims) => {
    expect((await ask(await assertion('job', claims))).status).toBe(401)
    expect((await ask(await assertion('spring', claims))).status).toBe(401)
  })

  test('must have the issuer, the token endpoint or the called endpoint as aud, as one string; with `issuer` the issuer alone', async () => {
    const endpoint = `${server.issuer}/token`
    expect(await ask(await assertion('job', { aud: endpoint }))).toMatchObject(refused)
    expect(await ask(await assertion('spring', { aud: endpoint }))).toMatchObject({ status: 200 })
    for (const aud of [[server.issuer], [endpoint], [endpoint, server.issuer], `${server.issuer}/userinfo`]) {
      for (const id of ['job', 'spring']) expect(await ask(await assertion(id, { aud }))).toMatchObject(refused)
    }
    for (const id of ['job', 'spring']) expect(await ask(await assertion(id))).toMatchObject({ status: 200 })
    const revoke = async (id: string, aud: string) =>
      (
        await createRelyingParty(server).call('/revoke', {
          token: 'x',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: await assertion(id, { aud }),
        })
      ).status
    const called = [`${server.issuer}/revoke`, endpoint, server.issuer]
    expect(await Promise.all(called.map((aud) => revoke('spring', aud)))).toEqual([200, 200, 200])
    expect(await Promise.all(called.map((aud) => revoke('job', aud)))).toEqual([401, 401, 200])
  })

  test('that has expired, is valid for more than an hour, or is issued in the future is refused', async () => {
    const now = Math.floor(server.clock.now() / 1000)
    expect(await ask(await assertion('job', { exp: now - 60 }))).toMatchObject(refused)
    expect(await ask(await assertion('job', { exp: now + 3700 }))).toMatchObject(refused)
    expect(await ask(await assertion('job', { exp: now + 3590 }))).toMatchObject({ status: 200 })
    expect(await ask(await assertion('job', { nbf: now + 3000, exp: now + 3500 }))).toMatchObject(refused)
    expect(await ask(await assertion('job', { nbf: now + 61, exp: now + 3500 }))).toMatchObject(refused)
    expect(await ask(await assertion('job', { iat: now + 61, exp: now + 3500 }))).toMatchObject(refused)
    expect(await ask(await assertion('job', { iat: now + 60, exp: now + 3500 }))).toMatchObject({ status: 200 })
    // A client library with a fast clock is ahead in both iat and nbf.
    for (const ahead of [15, 30, 55]) {
      const early = { iat: now + ahead, nbf: now + ahead, exp: now + ahead + 60 }
      expect(await ask(await assertion('job', early))).toMatchObject({ status: 200 })
    }
    expect(await ask(await assertion('job', { exp: now - 5 }))).toMatchObject({ status: 200 })
    expect(await ask(await assertion('job', { exp: now - 12 }))).toMatchObject(refused)
  })

  test('that is nested thousands of levels deep is refused, also with a valid signature', async () => {
    const deep = JSON.parse(`${'['.repeat(2500)}${']'.repeat(2500)}`)
    const [, , signature = ''] = (await assertion('job')).split('.')
    const encoded = (text: string) => Buffer.from(text).toString('base64url')
    const lists = '['.repeat(5500) + ']'.repeat(5500)
    const unsigned = `${encoded('{"alg":"ES256","kid":"first"}')}.${encoded(`{"iss":"job","sub":"job","x":${lists}}`)}.${signature}`
    for (const jwt of [await assertion('job', { deep }), await assertion('job', {}, { deep }), unsigned]) {
      expect(await ask(jwt, { client_id: 'job' })).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    }
  })

  test.each<[string, Claims]>([
    ['jwk', { jwk: { kty: 'EC' } }],
    ['jku', { jku: 'https://evil.example/jwks' }],
    ['x5u', { x5u: 'https://evil.example/cert' }],
    ['x5c', { x5c: ['MIIB'] }],
  ])('whose header contains a key in %s is refused (RFC 8725 §3.10)', async (_case, header) => {
    expect(await ask(await assertion('job', {}, header))).toMatchObject(refused)
  })

  test('with an unknown critical extension, alg none, an HMAC over the public key, or a foreign key is refused', async () => {
    const [header = '', payload = '', signature = ''] = (await assertion('job')).split('.')
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const own = JSON.parse(Buffer.from(header, 'base64url').toString())
    expect((await ask(`${encoded({ ...own, crit: ['x'], x: 1 })}.${payload}.${signature}`)).status).toBe(401)
    expect((await ask(`${encoded({ ...own, alg: 'none' })}.${payload}.`)).status).toBe(401)
    const secret = createSecretKey(Buffer.from(JSON.stringify(keys.jwk)))
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    expect((await ask(await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret))).status).toBe(401)
    const { privateKey } = await makeKeys()
    expect(await ask(await assertion('job', {}, {}, privateKey))).toMatchObject(refused)
  })

  test('of another algorithm than the registered one is refused, although the key allows it (RFC 8725 §3.1)', async () => {
    const rsa = await makeKeys('rsa', 'PS256')
    const asRs256 = await crypto.subtle.importKey(
      'jwk',
      { ...(await exportJWK(rsa.privateKey)), alg: 'RS256' } as never,
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
      true,
      ['sign'],
    )
    const { alg: _alg, ...jwk } = rsa.jwk
    await addMachine('pinned', { jwks: { keys: [jwk] }, token_endpoint_auth_signing_alg: 'PS256' })
    expect(await ask(await assertion('pinned', {}, { alg: 'PS256', kid: 'rsa' }, rsa.privateKey))).toMatchObject({
      status: 200,
    })
    expect(await ask(await assertion('pinned', {}, { alg: 'RS256', kid: 'rsa' }, asRs256))).toMatchObject(refused)
  })

  test('together with a secret is refused, and so is every other method than the registered one', async () => {
    const rp = createRelyingParty(server)
    expect(await ask(await assertion('job'), { client_secret: webSecret })).toMatchObject({ status: 400 })
    const both = await ask(await assertion('job'), {}, { Authorization: rp.basic('job', webSecret) })
    expect(both).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    expect(
      await rp.token({ grant_type: 'client_credentials' }, { Authorization: rp.basic('job', webSecret) }),
    ).toMatchObject(refused)
    expect(await rp.token({ grant_type: 'client_credentials', client_id: 'job' })).toMatchObject(refused)
    expect(await ask(await assertion('machine'))).toMatchObject(refused)
    expect((await ask('no assertion')).status).toBe(400)
  })
})

test('client_secret_jwt is not offered, because secrets are stored as digests', async () => {
  const metadata = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()
  expect(metadata).toMatchObject({
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: ['ES256', 'EdDSA', 'RS256', 'PS256', 'ES384', 'ES512'],
  })
})

describe('registered keys', () => {
  const problems = async (metadata: Record<string, unknown>, more = {}) => {
    const input = { kind: 'machine', metadata: { client_name: 'X', ...metadata }, ...more } as never
    const error = await server.parts.clients
      .add(input, { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } })
      .catch((thrown) => thrown)
    return (error.problems ?? []).map(({ path, code }: { path: string; code: string }) => `${path} ${code}`)
  }
  const method = { token_endpoint_auth_method: 'private_key_jwt' }

  test('must be public and well formed, and come either from jwks or from jwks_uri', async () => {
    const { jwk } = keys
    expect(await problems(method)).toContain('jwks keys_one_way')
    expect(await problems({ ...method, jwks: { keys: [jwk] }, jwks_uri: 'https://a.example/' })).toContain(
      'jwks keys_one_way',
    )
    const privateJwk = await exportJWK(keys.privateKey)
    expect(await problems({ ...method, jwks: { keys: [privateJwk] } })).toContain('jwks.keys[0] key_is_private')
    for (const wrong of [
      { kty: 'oct', k: 'c2VjcmV0' },
      { kty: 'EC', crv: 'P-256', x: 'x' },
      { kty: 'RSA', n: 'AQAB', e: 'AQAB' },
      7,
    ]) {
      expect(await problems({ ...method, jwks: { keys: [wrong] } })).toContainEqual(
        expect.stringContaining('jwks.keys[0]'),
      )
    }
    expect(await problems({ ...method, jwks: { keys: [] } })).toContain('jwks not_key_set')
    expect(await problems({ ...method, jwks_uri: 'https://a.example/jwks' })).toContain(
      'token_endpoint_auth_signing_alg required',
    )
    expect(await problems({ ...method, jwks: { keys: [jwk] } }, { secret: webSecret })).toContain(
      'client_secret keys_no_secret',
    )
    expect(await problems({ jwks: { keys: [jwk] } })).toContain('jwks needs_key_method')
    expect(await problems({ ...method, jwks_uri: 'ftp://a.example' })).toContainEqual(
      expect.stringContaining('jwks_uri'),
    )
  })

  test.each<[string, () => JWK, string]>([
    ['RSA with e = 1', exponentOne, 'key_exponent'],
    ['RSA with e = 3', () => ({ ...rsaJwk(), e: 'Aw' }), 'key_exponent'],
    ['RSA of 1024 bits', () => rsaJwk(1024), 'key_size'],
    ['RSA with an even modulus', evenModulus, 'not_key'],
    ['a point off its curve', offCurve, 'key_off_curve'],
    ['an Ed25519 point of small order', () => edPoint(1), 'key_off_curve'],
    ['a curve that is not offered', () => ecJwk('secp256k1'), 'not_key'],
  ])('%s is refused with a reason, also beside a good key', async (_case, makeKey, code) => {
    const jwks = { keys: [keys.jwk, makeKey()] }
    expect(await problems({ ...method, jwks, token_endpoint_auth_signing_alg: 'ES256' })).toEqual([
      `jwks.keys[1] ${code}`,
    ])
    expect(createSentences({ isStrict: true }).t(`problems.${code}`)).toMatch(/key|JWK/)
  })

  test('that are weak and were stored before the check verify no assertion; good keys beside them do', async () => {
    const jwks = { keys: [{ ...exponentOne(), kid: 'weak' }, keys.jwk] }
    /** A client whose key set is only in the database, without an earlier request. */
    async function plant(clientId: string, algorithm: string) {
      await addMachine(clientId, { jwks: { keys: [keys.jwk] } })
      const added = JSON.stringify({ jwks, token_endpoint_auth_signing_alg: algorithm })
      await server.database.knex.raw('UPDATE client SET metadata = metadata || ?::jsonb WHERE client_id = ?', [
        added,
        clientId,
      ])
    }
    await plant('kept-weak', 'RS256')
    expect(await ask(forged('kept-weak'))).toMatchObject(refused)
    await plant('kept-good', 'ES256')
    expect(await ask(await assertion('kept-good'))).toMatchObject({ status: 200 })
  })

  test('replace the secret: none is created, and none can be rotated', async () => {
    const { client: added, secret } = await addMachine('no-secret', { jwks: { keys: [keys.jwk] } })
    expect([secret, added.secretDigests]).toEqual([undefined, []])
    expect(added.metadata).toMatchObject({
      token_endpoint_auth_signing_alg: 'ES256',
      client_assertion_audience: 'any',
    })
    const rotating = server.parts.clients.rotateSecret(
      'no-secret',
      {},
      { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } },
    )
    await expect(rotating).rejects.toMatchObject({ code: 'client_has_no_secret' })
  })
})

describe('published keys (jwks_uri)', () => {
  /** A client with a jwks_uri on this machine, which development mode allows. */
  async function publish(clientId: string, listener: RequestListener, algorithm = 'ES256') {
    const site = createServer(listener)
    published.push(site)
    await new Promise<void>((resolve) => site.listen(0, 'localhost', resolve))
    const uri = `http://localhost:${(site.address() as AddressInfo).port}/jwks`
    await addMachine(clientId, { jwks_uri: uri, token_endpoint_auth_signing_alg: algorithm })
  }

  test('are fetched once, and again for an unknown kid, but not more than once a minute', async () => {
    let asked = 0
    let current = [keys.jwk]
    await publish('remote', (_request, response) => {
      asked += 1
      response.writeHead(200, { 'cache-control': 'max-age=86400' }).end(JSON.stringify({ keys: current }))
    })
    for (let i = 0; i < 3; i += 1) expect(await ask(await assertion('remote'))).toMatchObject({ status: 200 })
    expect(asked).toBe(1)
    const next = await makeKeys('second')
    current = [next.jwk]
    const rotated = () => assertion('remote', {}, { kid: 'second' }, next.privateKey)
    for (let i = 0; i < 5; i += 1) expect(await ask(await rotated())).toMatchObject(refused)
    expect(asked).toBe(1)
    server.clock.advance(minutes(1))
    expect(await ask(await rotated())).toMatchObject({ status: 200 })
    for (let i = 0; i < 5; i += 1) {
      expect(await ask(await assertion('remote', {}, { kid: `unknown-${i}` }))).toMatchObject(refused)
    }
    expect(asked).toBe(2)
  })

  test('that are weak or off their curve verify no assertion; good keys and unknown types beside them have no effect', async () => {
    const weak = { ...exponentOne(), kid: 'weak' }
    const strong = await makeKeys('strong', 'RS256')
    const unknown = { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA', kid: 'new' }
    const set = { keys: [unknown, weak, { ...offCurve(), kid: 'off' }, { ...weak, kid: 'k', k: 'AAAA' }, strong.jwk] }
    const { keys: all } = set
    const publishAs = (clientId: string, given: unknown[], algorithm: string) =>
      publish(clientId, (_request, response) => response.end(JSON.stringify({ keys: given })), algorithm)
    await publishAs(
      'weak-keys',
      all.filter(({ kid }) => kid !== 'k'),
      'RS256',
    )
    expect(await ask(forged('weak-keys'))).toMatchObject(refused)
    expect(
      await ask(await assertion('weak-keys', {}, { alg: 'RS256', kid: 'strong' }, strong.privateKey)),
    ).toMatchObject({
      status: 200,
    })
    await publishAs('hidden-weak-keys', all, 'RS256')
    expect(await ask(forged('hidden-weak-keys', {}, { kid: 'k' }))).toMatchObject(refused)
    const small = await crypto.subtle.generateKey(
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) },
      true,
      ['sign', 'verify'],
    )
    const smallJwk = { ...(await crypto.subtle.exportKey('jwk', small.publicKey)), kid: 'small' }
    await publishAs('small-keys', [smallJwk], 'RS256')
    const input = (await assertion('small-keys', {}, { alg: 'RS256', kid: 'small' }, strong.privateKey))
      .split('.')
      .slice(0, 2)
    const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', small.privateKey, Buffer.from(input.join('.')))
    expect(await ask([...input, Buffer.from(signature).toString('base64url')].join('.'))).toMatchObject(refused)
    // The position of the bad keys makes no difference.
    await publishAs('good-last', [weak, { ...offCurve(), kid: 'first' }, keys.jwk], 'ES256')
    expect(await ask(await assertion('good-last'))).toMatchObject({ status: 200 })
  })

  test.each<[string, Claims]>([
    ['private', { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA', d: 'AAAA' }],
    ['symmetric', { kty: 'oct', k: 'AAAA' }],
  ])('beside a %s key verify no assertion', async (name, bad) => {
    await publish(`beside-${name}`, (_request, response) => response.end(JSON.stringify({ keys: [keys.jwk, bad] })))
    expect(await ask(await assertion(`beside-${name}`))).toMatchObject(refused)
  })

  test('that were removed from the set are refused within a quarter of an hour', async () => {
    let current = [keys.jwk]
    await publish('withdrawn', (_request, response) => response.end(JSON.stringify({ keys: current })))
    expect(await ask(await assertion('withdrawn'))).toMatchObject({ status: 200 })
    current = []
    server.clock.advance(minutes(15))
    expect(await ask(await assertion('withdrawn'))).toMatchObject(refused)
  })

  test.each<[string, RequestListener]>([
    ['answers 500', (_request, response) => response.writeHead(500).end()],
    ['redirects', (_request, response) => response.writeHead(302, { location: '/other' }).end()],
    ['is no JSON', (_request, response) => response.end('<html>')],
    ['never ends', (_request, response) => void response.write('{')],
    [
      'holds a private key set',
      (_request, response) => response.end(JSON.stringify({ keys: [{ kty: 'oct', k: 'eA' }] })),
    ],
  ])('whose URL %s give no token and no 500, and are fetched once a minute', async (name, listener) => {
    let asked = 0
    const clientId = `broken-${name.replaceAll(' ', '-')}`
    await publish(clientId, (request, response) => {
      asked += 1
      listener(request, response)
    })
    for (let i = 0; i < 3; i += 1) expect(await ask(await assertion(clientId))).toMatchObject(refused)
    expect(asked).toBe(1)
  })

  test('at an internal network address are not fetched', async () => {
    let asked = 0
    const inside = createServer((_request, response) => {
      asked += 1
      response.end(JSON.stringify({ keys: [keys.jwk] }))
    })
    published.push(inside)
    await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
    const { port } = inside.address() as AddressInfo
    for (const [index, uri] of [`http://127.0.0.1:${port}/`, 'https://127.0.0.1/', 'https://[::1]/'].entries()) {
      await addMachine(`lever-${index}`, { jwks_uri: uri, token_endpoint_auth_signing_alg: 'ES256' })
      expect(await ask(await assertion(`lever-${index}`))).toMatchObject(refused)
    }
    expect(asked).toBe(0)
  })
})

describe('stock clients', () => {
  test('openid-client with PrivateKeyJwt sends the issuer as aud, and gets a token', async () => {
    const config = await client.discovery(
      new URL(server.issuer),
      'job',
      undefined,
      client.PrivateKeyJwt({ key: keys.privateKey, kid: 'first' }),
      { execute: [client.allowInsecureRequests] },
    )
    const tokens = await client.clientCredentialsGrant(config, { resource: api, scope: 'api:read' })
    expect(tokens.access_token).toBeDefined()
  })

  test('a library that sends the token endpoint as aud, as Spring and Authlib do, gets a token when the client allows it', async () => {
    const config = await client.discovery(
      new URL(server.issuer),
      'spring',
      undefined,
      client.PrivateKeyJwt(
        { key: keys.privateKey, kid: 'first' },
        {
          [client.modifyAssertion]: (_header, payload) => {
            payload.aud = `${server.issuer}/token`
          },
        },
      ),
      { execute: [client.allowInsecureRequests] },
    )
    const tokens = await client.clientCredentialsGrant(config, { resource: api, scope: 'api:read' })
    expect(tokens.access_token).toBeDefined()
  })
})
