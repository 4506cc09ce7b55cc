/**
 * The OpenID Foundation's plans oidcc-basic-certification-test-plan and
 * oidcc-formpost-basic-certification-test-plan: one test for each module, with its name and its
 * checks.
 * They replace no certification: the suite itself runs elsewhere.
 */
import { decodeProtectedHeader, SignJWT } from 'jose'
import { problemsOf } from '../accounts/setup.ts'
import type { Latchkey } from '../support/latchkey.ts'
import type { Suite } from './certification.ts'
import {
  clientSecrets,
  createSuite,
  redirectUri,
  responseModes,
  secondRedirectUri,
  startCertified,
} from './certification.ts'

const planOf = {
  query: 'oidcc-basic-certification-test-plan',
  form_post: 'oidcc-formpost-basic-certification-test-plan',
}

let server: Latchkey
beforeAll(async () => {
  server = await startCertified()
})
afterAll(() => server.stop())

describe.each(responseModes)('%s', (mode) => {
  describe(planOf[mode], () => {
    let suite: Suite
    beforeEach(() => {
      suite = createSuite(server, mode)
    })

    /**
     * The claims of userinfo for these scopes, without `sub`, which equals the ID token's (OpenID
     * Connect Core 1.0 §5.3.2).
     */
    async function claimsFor(scope: string): Promise<string[]> {
      const { tokens, idToken } = await suite.flow({ scope })
      const { body } = await suite.userinfo(tokens.access_token)
      const { sub, ...claims } = body
      expect(sub).toBe(idToken.sub)
      return Object.keys(claims).sort()
    }
    const email = ['email', 'email_verified']
    const phone = ['phone_number', 'phone_number_verified']
    const profile = ['family_name', 'given_name', 'name', 'nickname', 'updated_at', 'website']

    test('oidcc-server', async () => {
      const { answer, tokens, idToken, headers } = await suite.flow()
      expect(answer).toEqual({ code: expect.any(String), state: 'the-state', iss: server.issuer })
      expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: expect.any(Number), scope: 'openid' })
      expect(headers.get('Cache-Control')).toContain('no-store')
      expect(idToken).toMatchObject({ nonce: 'the-nonce', iss: server.issuer })
      expect([idToken.aud].flat()).toEqual(['first'])
      expect((idToken.exp as number) - (idToken.iat as number)).toBeGreaterThan(0)
      expect(idToken.sub).toMatch(/^[\x21-\x7e]{1,255}$/)
    })

    test('oidcc-response-type-missing', async () => {
      const page = await suite.browser.get(suite.authorizeUrl({ response_type: undefined }))
      const { error } = suite.answerIn(page) ?? {}
      expect(['invalid_request', 'unsupported_response_type']).toContain(error)
    })

    test('oidcc-idtoken-signature', async () => {
      const { tokens } = await suite.flow()
      const { alg, kid } = decodeProtectedHeader(tokens.id_token)
      const jwks = (await (await fetch(`${server.issuer}/jwks`)).json()) as { keys: Record<string, string>[] }
      expect(alg).toBe('RS256')
      expect(jwks.keys.filter((key) => key.kid === kid)).toEqual([expect.objectContaining({ kty: 'RSA', use: 'sig' })])
    })

    test('oidcc-idtoken-unsigned: not offered, and refused in client metadata', async () => {
      const discovery = await suite.discovery()
      expect(discovery.id_token_signing_alg_values_supported).not.toContain('none')
      const metadata = { client_name: 'Unsigned', redirect_uris: [redirectUri], id_token_signed_response_alg: 'none' }
      expect(await problemsOf(server.addClient({ kind: 'web', metadata }))).toEqual([
        'id_token_signed_response_alg not_one_of',
      ])
    })

    test.each(['get', 'post-header', 'post-body'] as const)('oidcc-userinfo-%s', async (how) => {
      const { tokens, idToken } = await suite.flow()
      expect(await suite.userinfo(tokens.access_token, how)).toMatchObject({ status: 200, body: { sub: idToken.sub } })
    })

    test('oidcc-ensure-request-without-nonce-succeeds-for-code-flow', async () => {
      const { idToken } = await suite.flow({ nonce: undefined })
      expect(idToken).not.toHaveProperty('nonce')
    })

    test('oidcc-scope-profile', async () => expect(await claimsFor('openid profile')).toEqual(profile))
    test('oidcc-scope-email', async () => expect(await claimsFor('openid email')).toEqual(email))
    test('oidcc-scope-address', async () => expect(await claimsFor('openid address')).toEqual(['address']))
    test('oidcc-scope-phone', async () => expect(await claimsFor('openid phone')).toEqual(phone))
    test('oidcc-scope-all', async () => {
      const all = ['address', ...email, ...phone, ...profile].sort()
      expect(await claimsFor('openid profile email address phone')).toEqual(all)
    })
    test('oidcc-ensure-other-scope-order-succeeds', async () => expect(await claimsFor('email openid')).toEqual(email))

    test.each(['page', 'popup'])('oidcc-display-%s', async (display) => {
      const { idToken, pages } = await suite.flow({ display })
      expect([idToken.nonce, pages[0]]).toEqual(['the-nonce', 'login'])
    })

    test('oidcc-prompt-login', async () => {
      const first = await suite.flow()
      server.clock.advance(2000)
      const second = await suite.flow({ prompt: 'login' })
      expect(second.pages).toContain('login')
      expect(second.idToken.sub).toBe(first.idToken.sub)
      expect(second.idToken.auth_time as number).toBeGreaterThan(first.idToken.auth_time as number)
    })

    test('oidcc-prompt-none-not-logged-in', async () => {
      const page = await suite.browser.get(suite.authorizeUrl({ prompt: 'none' }))
      expect(suite.answerIn(page)).toMatchObject({ error: 'login_required', state: 'the-state' })
    })

    test('oidcc-prompt-none-logged-in', async () => {
      const first = await suite.flow()
      const second = await suite.flow({ prompt: 'none' })
      expect(second.pages).toEqual([])
      expect(second.idToken).toMatchObject({ sub: first.idToken.sub, auth_time: first.idToken.auth_time })
    })

    test('oidcc-max-age-1', async () => {
      await suite.flow()
      server.clock.advance(2000)
      const now = Math.floor(server.clock.now() / 1000)
      const { pages, idToken } = await suite.flow({ max_age: '1' })
      expect(pages).toContain('login')
      expect(idToken.auth_time).toBe(now)
    })

    test('oidcc-max-age-10000', async () => {
      const first = await suite.flow({ max_age: '15000' })
      server.clock.advance(1000)
      const second = await suite.flow({ max_age: '10000' })
      expect(second.pages).toEqual([])
      expect(second.idToken).toMatchObject({ sub: first.idToken.sub, auth_time: first.idToken.auth_time })
    })

    test('oidcc-ensure-request-with-unknown-parameter-succeeds', async () => {
      const { answer } = await suite.authorize({ extra: 'foobar' })
      expect(Object.keys(answer).sort()).toEqual(['code', 'iss', 'state'])
    })

    test('oidcc-id-token-hint', async () => {
      const first = await suite.flow()
      const second = await suite.flow({ prompt: 'none', id_token_hint: first.tokens.id_token })
      expect(second.idToken.sub).toBe(first.idToken.sub)
    })

    test('oidcc-login-hint', async () => {
      await suite.flow({ login_hint: 'buffy@example.com' })
      expect(suite.shown[0]).toContain('value="buffy@example.com"')
    })

    test('oidcc-ui-locales', async () => expect((await suite.flow({ ui_locales: 'se' })).idToken.sub).toBeDefined())
    test('oidcc-claims-locales', async () =>
      expect((await suite.flow({ claims_locales: 'se' })).idToken.sub).toBeDefined())

    test('oidcc-ensure-request-with-acr-values-succeeds', async () => {
      const discovery = await suite.discovery()
      const { idToken } = await suite.flow({ acr_values: discovery.acr_values_supported!.join(' ') })
      expect(discovery.acr_values_supported).toContain(idToken.acr)
      expect((await suite.flow({ acr_values: '1 2' })).idToken.sub).toBe(idToken.sub)
    })

    test.each([
      ['oidcc-codereuse', 0],
      ['oidcc-codereuse-30seconds', 30_000],
    ])('%s', async (_name, ms) => {
      const { answer, tokens } = await suite.flow()
      server.clock.advance(ms)
      expect(await suite.exchange(answer.code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
      // RFC 6749 §4.1.2: the tokens of the reused code are revoked.
      expect(await suite.userinfo(tokens.access_token)).toMatchObject({ status: 401 })
    })

    test('oidcc-ensure-registered-redirect-uri', async () => {
      const page = await suite.browser.get(suite.authorizeUrl({ redirect_uri: `${redirectUri}/unregistered` }))
      expect([page.status, page.next]).toEqual([400, undefined])
      expect(page.body).toContain('<html')
    })

    test('the query of a redirect URI is preserved (oidcc-redirect-uri-query-OK)', async () => {
      const { answer } = await suite.authorize({ redirect_uri: secondRedirectUri })
      const { body } = await suite.exchange(answer.code, { redirect_uri: secondRedirectUri })
      expect((await suite.verified(body.id_token)).sub).toBeDefined()
    })

    test('oidcc-ensure-post-request-succeeds', async () => {
      const fields = Object.fromEntries(new URL(suite.authorizeUrl()).searchParams)
      const headers = { Origin: 'https://suite.example', 'Sec-Fetch-Site': 'cross-site' }
      const { answer } = await suite.complete(await suite.browser.post(`${server.issuer}/authorize`, fields, headers))
      const { body } = await suite.exchange(answer.code)
      expect((await suite.verified(body.id_token)).nonce).toBe('the-nonce')
    })

    test('oidcc-server-client-secret-post', async () => {
      const { answer } = await suite.authorize()
      const { status, body } = await suite.exchange(answer.code, {}, { method: 'post' })
      expect(status).toBe(200)
      expect((await suite.verified(body.id_token)).sub).toBeDefined()
    })

    const unsigned = (claims: Record<string, string>) => {
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
      return `${part({ alg: 'none' })}.${part({ iss: 'first', aud: server.issuer, ...claims })}.`
    }

    test('oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported', async () => {
      const page = await suite.browser.get(suite.authorizeUrl({ request_uri: 'https://suite.example/requests/1' }))
      expect(suite.answerIn(page)).toMatchObject({ error: 'request_uri_not_supported', state: 'the-state' })
    })

    test('oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported', async () => {
      const request = unsigned({ nonce: 'another', state: 'another' })
      const page = await suite.browser.get(suite.authorizeUrl({ request }))
      expect(suite.answerIn(page)).toMatchObject({ error: 'request_not_supported', state: 'the-state' })
    })

    test('oidcc-ensure-request-object-with-redirect-uri', async () => {
      const key = new TextEncoder().encode(clientSecrets.first)
      const signed = await new SignJWT({ redirect_uri: 'https://evil.example/' })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(key)
      const page = await suite.browser.get(suite.authorizeUrl({ request: signed }))
      expect(suite.answerIn(page)).toMatchObject({ error: 'request_not_supported' })
    })

    test('oidcc-claims-essential', async () => {
      const claims = JSON.stringify({ userinfo: { name: { essential: true } } })
      const { tokens } = await suite.flow({ claims })
      expect((await suite.userinfo(tokens.access_token)).body).toMatchObject({ name: 'Alice Liddell' })
    })

    test('oidcc-refresh-token', async () => {
      const { tokens, idToken } = await suite.flow({ scope: 'openid offline_access' })
      const { status, body } = await suite.token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
      expect(status).toBe(200)
      // OpenID Connect Core 1.0 §12.2: the same subject, client and auth_time, and no other nonce.
      const second = await suite.verified(body.id_token)
      for (const claim of ['iss', 'sub', 'aud', 'auth_time'] as const) expect(second[claim]).toEqual(idToken[claim])
      expect([undefined, idToken.nonce]).toContain(second.nonce)
      const foreign = { grant_type: 'refresh_token', refresh_token: body.refresh_token }
      expect(await suite.token(foreign, { client: 'second' })).toMatchObject({ body: { error: 'invalid_grant' } })
      expect((await suite.token(foreign)).status).toBe(200)
    })

    test('oidcc-ensure-request-with-valid-pkce-succeeds', async () => {
      const verifier = 'verifier-of-the-conformance-suite-with-enough-characters'
      const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
      const code_challenge = Buffer.from(digest).toString('base64url')
      const pkce = { code_challenge, code_challenge_method: 'S256' }
      expect((await suite.flow(pkce, { code_verifier: verifier })).idToken.sub).toBeDefined()
      const { answer } = await suite.authorize(pkce)
      expect(await suite.exchange(answer.code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    })
  })
})
