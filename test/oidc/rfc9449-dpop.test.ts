/** DPoP (RFC 9449): tokens that are bound to a key. */
import { hash, randomUUID } from 'node:crypto'
import type { JWK } from 'jose'
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as client from 'openid-client'
import type { Latchkey } from '../support/latchkey.ts'
import { api, callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { edPoint, evenModulus, exponentOne, forgedJwt, offCurve, rsaJwk } from '../support/public-keys.ts'

let server: Latchkey
let keys: Awaited<ReturnType<typeof makeKeys>>

beforeAll(async () => {
  server = await startLatchkey()
  keys = await makeKeys()
  await server.addClient({
    clientId: 'bound',
    kind: 'web',
    secret: webSecret,
    metadata: {
      client_name: 'Bound',
      redirect_uris: [callback],
      scope: 'openid api:read',
      dpop_bound_access_tokens: true,
    },
  })
})
afterAll(() => server.stop())

async function makeKeys(alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  return { privateKey, publicKey, jwk, thumbprint: await calculateJwkThumbprint(jwk) }
}

type Part = Record<string, unknown>

function proof(claims: Part = {}, header: Part = {}, own = keys) {
  const iat = Math.floor(server.clock.now() / 1000)
  const all = { htm: 'POST', htu: `${server.issuer}/token`, iat, jti: randomUUID(), ...claims }
  return new SignJWT(all)
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: own.jwk, ...header } as never)
    .sign(own.privateKey)
}

const rpOf = () => createRelyingParty(server)
const ask = (DPoP: string, fields: Record<string, string> = {}) => {
  const rp = rpOf()
  const machine = { grant_type: 'client_credentials', ...fields }
  return rp.token(machine, { Authorization: rp.basic('machine', webSecret), DPoP })
}
const invalidProof = { status: 400, body: { error: 'invalid_dpop_proof' } }
const invalidGrant = { status: 400, body: { error: 'invalid_grant' } }

async function userinfo(token: string, headers: Record<string, string>) {
  const response = await fetch(`${server.issuer}/userinfo`, { headers })
  return { status: response.status, headers: response.headers, body: await response.json(), token }
}

const spa = { client_id: 'spa', redirect_uri: 'https://spa.example/callback' }

/** Alice at the public client, with tokens that are bound to `keys`. */
async function signedInAtSpa(scope = 'openid email offline_access') {
  const rp = rpOf()
  const { code } = await rp.authorize({ ...spa, scope })
  const fields = { grant_type: 'authorization_code', code: code!, code_verifier: rp.verifier, ...spa }
  const { body, status } = await rp.token(fields, { DPoP: await proof() })
  expect(status).toBe(200)
  const refresh = async (token: string, DPoP?: string) =>
    rp.token({ grant_type: 'refresh_token', refresh_token: token, ...spa }, DPoP === undefined ? {} : { DPoP })
  return { tokens: body, refresh, rp }
}

describe('a token request with a proof (§5)', () => {
  test('gives a token of type DPoP that is bound to the key: opaque and JWT, shown at introspection (§6)', async () => {
    const rp = rpOf()
    const requests: Record<string, string>[] = [{}, { resource: api, scope: 'api:read' }]
    for (const fields of requests) {
      const { body } = await ask(await proof(), fields)
      expect(body.token_type).toBe('DPoP')
      const headers = { Authorization: rp.basic('machine', webSecret) }
      expect((await rp.call('/introspect', { token: body.access_token }, headers)).body).toMatchObject({
        active: true,
        token_type: 'DPoP',
        cnf: { jkt: keys.thumbprint },
      })
      if ('resource' in fields) expect(decodeJwt(body.access_token).cnf).toEqual({ jkt: keys.thumbprint })
    }
  })

  test('succeeds once for each proof, also with 50 concurrent requests at two processes (§11.1)', async () => {
    const DPoP = await proof()
    const other = await startLatchkey({ database: server.shared, clock: server.clock, env: { ISSUER: server.issuer } })
    const sendTo = async (base: string) => {
      const response = await fetch(`${base}/token`, {
        method: 'POST',
        headers: { Authorization: rpOf().basic('machine', webSecret), DPoP, Host: new URL(server.issuer).host },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      })
      return { status: response.status, body: await response.json() }
    }
    try {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) => sendTo(index % 2 === 0 ? server.base : other.base)),
      )
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      for (const answer of answers.filter(({ status }) => status !== 200)) expect(answer).toMatchObject(invalidProof)
    } finally {
      await other.stop()
    }
    expect(await ask(DPoP)).toMatchObject(invalidProof)
  })

  test.each<[string, Part, Part]>([
    ['another htu', { htu: 'https://other.example/token' }, {}],
    ['the htu of another endpoint', { htu: 'http://localhost/introspect' }, {}],
    ['another htm', { htm: 'GET' }, {}],
    ['no jti', { jti: undefined }, {}],
    ['no iat', { iat: undefined }, {}],
    ['another typ', {}, { typ: 'JWT' }],
    ['no typ', {}, { typ: undefined }],
    ['a jku', {}, { jku: 'https://evil.example/jwks' }],
    ['an x5u', {}, { x5u: 'https://evil.example/cert' }],
    ['an x5c', {}, { x5c: ['MIIB'] }],
    ['no jwk', {}, { jwk: undefined }],
  ])('with %s is refused (§4.3)', async (_case, claims, header) => {
    expect(await ask(await proof(claims, header))).toMatchObject(invalidProof)
  })

  test('with a private or a symmetric key in it, a critical extension, alg none, or no proof at all is refused', async () => {
    const own = await exportJWK(keys.privateKey)
    expect(await ask(await proof({}, { jwk: own }))).toMatchObject(invalidProof)
    expect(await ask(await proof({}, { jwk: { kty: 'oct', k: 'c2VjcmV0' } }))).toMatchObject(invalidProof)
    const [header = '', payload = '', signature = ''] = (await proof()).split('.')
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const plain = JSON.parse(Buffer.from(header, 'base64url').toString())
    expect(await ask(`${encoded({ ...plain, crit: ['x'], x: 1 })}.${payload}.${signature}`)).toMatchObject(invalidProof)
    expect(await ask(`${encoded({ ...plain, alg: 'none' })}.${payload}.`)).toMatchObject(invalidProof)
    expect(await ask(`${encoded({ ...plain, alg: 'HS256' })}.${payload}.${signature}`)).toMatchObject(invalidProof)
    for (const wrong of ['x', 'x.y.z', `${header}.${payload}.`]) expect(await ask(wrong)).toMatchObject(invalidProof)
  })

  test.each<[string, () => JWK]>([
    ['RSA with e = 1, signed by no private key', exponentOne],
    ['RSA of 1024 bits', () => rsaJwk(1024)],
    ['RSA with e = 3', () => ({ ...rsaJwk(), e: 'Aw' })],
    ['RSA with an even modulus', evenModulus],
    ['a point off its curve', offCurve],
    ['an Ed25519 point of small order', () => edPoint(1)],
  ])('with a weak key is refused: %s', async (_case, makeKey) => {
    const jwk = makeKey()
    const algorithms: Record<string, string> = { RSA: 'RS256', EC: 'ES256', OKP: 'EdDSA' }
    const alg = algorithms[jwk.kty!]
    const iat = Math.floor(server.clock.now() / 1000)
    const claims = { htm: 'POST', htu: `${server.issuer}/token`, iat, jti: randomUUID() }
    const answer = await ask(forgedJwt({ alg, typ: 'dpop+jwt', jwk }, claims))
    expect(answer).toMatchObject(invalidProof)
    expect(answer.body.error_description).toMatch(/jwk in the header is refused \((key|not_key)/)
  })

  test('with an RSA key of 2048 bits, or a key of another curve, is accepted', async () => {
    for (const alg of ['RS256', 'PS256', 'ES384', 'EdDSA']) {
      expect(await ask(await proof({}, { alg }, await makeKeys(alg)))).toMatchObject({ status: 200 })
    }
  })

  test('with iat more than a minute off needs a nonce of the server, which every process issues and accepts (§8)', async () => {
    const now = Math.floor(server.clock.now() / 1000)
    for (const iat of [now - 59, now + 59]) expect(await ask(await proof({ iat }))).toMatchObject({ status: 200 })
    for (const iat of [now - 62, now + 62, now - 3600]) {
      const told = await ask(await proof({ iat }))
      expect(told).toMatchObject({ status: 400, body: { error: 'use_dpop_nonce' } })
      const nonce = told.headers.get('DPoP-Nonce')!
      expect(await ask(await proof({ iat, nonce }))).toMatchObject({ status: 200 })
    }
    const { headers } = await ask(await proof())
    const nonce = headers.get('DPoP-Nonce')!
    const other = await startLatchkey({ database: server.shared, clock: server.clock, env: { ISSUER: server.issuer } })
    const response = await fetch(`${other.base}/token`, {
      method: 'POST',
      headers: { Authorization: rpOf().basic('machine', webSecret), DPoP: await proof({ nonce }) },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    expect(response.status).toBe(200)
    await other.stop()
    expect(await ask(await proof({ nonce: 'made-up' }))).toMatchObject({ body: { error: 'use_dpop_nonce' } })
    server.clock.advance(10 * 60_000)
    expect(await ask(await proof({ nonce }))).toMatchObject({ body: { error: 'use_dpop_nonce' } })
  })
})

describe('a code that is bound to a key (§10)', () => {
  const redeem = async (code: string, verifier: string, DPoP?: string) =>
    rpOf().token(
      { grant_type: 'authorization_code', code, code_verifier: verifier, ...spa },
      DPoP === undefined ? {} : { DPoP },
    )

  test.each(['by dpop_jkt', 'by a proof at the pushed request'])('%s is redeemed only with that key', async (way) => {
    const rp = rpOf()
    const other = await makeKeys()
    async function bound(): Promise<string> {
      if (way === 'by dpop_jkt') return (await rp.authorize({ ...spa, dpop_jkt: keys.thumbprint })).code!
      const fields = Object.fromEntries(new URL(await rp.authorizeUrl(spa)).searchParams)
      const pushed = await rp.call('/par', fields, { DPoP: await proof({ htu: `${server.issuer}/par` }) })
      const query = new URLSearchParams({ client_id: 'spa', request_uri: pushed.body.request_uri })
      return (await rp.complete(await rp.browser.get(`${server.issuer}/authorize?${query}`))).code!
    }
    expect(await redeem(await bound(), rp.verifier, await proof({}, {}, other))).toMatchObject(invalidGrant)
    expect((await redeem(await bound(), rp.verifier)).status).toBe(400)
    expect(await redeem(await bound(), rp.verifier, await proof())).toMatchObject({
      status: 200,
      body: { token_type: 'DPoP' },
    })
  })
})

test('a client that requires DPoP gets no token without a proof (§5.2)', async () => {
  const rp = rpOf()
  const asBound = { client_id: 'bound', client_secret: webSecret }
  const { code } = await rp.authorize({ client_id: 'bound', scope: 'openid' })
  expect(await rp.exchange(code!, asBound)).toMatchObject({ status: 400 })
  const { code: another } = await rp.authorize({ client_id: 'bound', scope: 'openid' })
  const fields = {
    grant_type: 'authorization_code',
    code: another!,
    redirect_uri: callback,
    code_verifier: rp.verifier,
  }
  expect(await rp.token({ ...fields, ...asBound }, { DPoP: await proof() })).toMatchObject({
    status: 200,
    body: { token_type: 'DPoP' },
  })
})

describe('userinfo with a bound token (§7)', () => {
  const proofFor = (token: string, claims: Part = {}, own = keys) =>
    proof({ htm: 'GET', htu: `${server.issuer}/userinfo`, ath: hash('sha256', token, 'base64url'), ...claims }, {}, own)

  test('accepts it with a proof of its key, and each proof once (§7.1)', async () => {
    const { tokens } = await signedInAtSpa()
    const { access_token: token } = tokens
    const DPoP = await proofFor(token)
    const headers = { Authorization: `DPoP ${token}`, DPoP }
    expect(await userinfo(token, headers)).toMatchObject({ status: 200, body: { email: 'alice@example.com' } })
    const replayed = await userinfo(token, headers)
    expect(replayed).toMatchObject({ status: 401, body: { error: 'invalid_dpop_proof' } })
    expect(replayed.headers.get('WWW-Authenticate')).toMatch(/DPoP .*error="invalid_dpop_proof"/)
  })

  test('refuses it as Bearer and with a proof of another key, of another ath or of another method', async () => {
    const { tokens } = await signedInAtSpa()
    const { access_token: token } = tokens
    const other = await makeKeys()
    expect((await userinfo(token, { Authorization: `Bearer ${token}` })).status).toBe(401)
    expect((await userinfo(token, { Authorization: `DPoP ${token}` })).status).toBe(400)
    const foreign = await proofFor(token, {}, other)
    expect((await userinfo(token, { Authorization: `DPoP ${token}`, DPoP: foreign })).status).toBe(401)
    for (const claims of [{ ath: hash('sha256', 'x', 'base64url') }, { ath: undefined }, { htm: 'POST' }]) {
      const wrong = await proofFor(token, claims)
      expect(await userinfo(token, { Authorization: `DPoP ${token}`, DPoP: wrong })).toMatchObject({
        status: 401,
        body: { error: 'invalid_dpop_proof' },
      })
    }
  })
})

describe('a public client’s refresh token is bound to the key it was issued with (§5)', () => {
  test('it rotates with a proof of that key, and a repeat within the window must prove the same key', async () => {
    const { tokens, refresh } = await signedInAtSpa()
    const first = await refresh(tokens.refresh_token, await proof())
    expect(first).toMatchObject({ status: 200, body: { token_type: 'DPoP' } })
    const repeat = await refresh(tokens.refresh_token, await proof())
    expect(repeat.body.refresh_token).toBe(first.body.refresh_token)
  })

  test('an unused one with another key, or without a proof, is refused and stays valid for its own key', async () => {
    const { tokens, refresh } = await signedInAtSpa()
    const other = await makeKeys()
    expect((await refresh(tokens.refresh_token, await proof({}, {}, other))).status).toBe(400)
    expect((await refresh(tokens.refresh_token)).status).toBe(400)
    expect(await refresh(tokens.refresh_token, await proof())).toMatchObject({ status: 200 })
  })

  test('a spent one with another key, within the window, ends the family', async () => {
    const { tokens, refresh } = await signedInAtSpa()
    const next = await refresh(tokens.refresh_token, await proof())
    const other = await makeKeys()
    expect(await refresh(tokens.refresh_token, await proof({}, {}, other))).toMatchObject(invalidGrant)
    expect(await refresh(next.body.refresh_token, await proof())).toMatchObject(invalidGrant)
  })
})

test('openid-client with a DPoP handle signs in, asks for userinfo and refreshes; with PAR too (RFC 9126, §10)', async () => {
  const config = await client.discovery(new URL(server.issuer), 'spa', undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  })
  const keyPair = await client.randomDPoPKeyPair('ES256')
  const DPoP = client.getDPoPHandle(config, keyPair)
  const verifier = client.randomPKCECodeVerifier()
  const url = await client.buildAuthorizationUrlWithPAR(
    config,
    {
      redirect_uri: spa.redirect_uri,
      scope: 'openid email',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    },
    { DPoP },
  )
  const rp = rpOf()
  const answer = await rp.complete(await rp.browser.get(url.href))
  const returned = new URL(`${spa.redirect_uri}?${new URLSearchParams(answer)}`)
  const tokens = await client.authorizationCodeGrant(config, returned, { pkceCodeVerifier: verifier }, undefined, {
    DPoP,
  })
  expect(tokens.token_type).toBe('dpop')
  const { sub } = tokens.claims()!
  expect(await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).toMatchObject({ sub })
  const turned = await client.refreshTokenGrant(config, tokens.refresh_token!, undefined, { DPoP })
  expect(turned.token_type).toBe('dpop')
})

test('a page of another origin may send a proof and read the nonce (CORS, §8)', async () => {
  const preflight = await fetch(`${server.issuer}/token`, {
    method: 'OPTIONS',
    headers: {
      Origin: 'https://spa.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'dpop',
    },
  })
  expect(preflight.headers.get('Access-Control-Allow-Headers')).toContain('DPoP')
  const rp = rpOf()
  const answer = await rp.call(
    '/token',
    { grant_type: 'refresh_token', refresh_token: 'x', client_id: 'spa' },
    {
      Origin: 'https://spa.example',
      DPoP: await proof(),
    },
  )
  expect(answer.headers.get('Access-Control-Expose-Headers')?.toLowerCase()).toContain('dpop-nonce')
})
