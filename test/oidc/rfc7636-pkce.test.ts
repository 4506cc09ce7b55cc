/** Proof Key for Code Exchange (RFC 7636): S256 by default, always for public clients. */
import type { Latchkey } from '../support/latchkey.ts'
import { callback, createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'
import { answerIn } from './support.ts'

let server: Latchkey
const exempt = 'old'

beforeAll(async () => {
  server = await startLatchkey()
  const metadata = { client_name: 'Old App', redirect_uris: [callback], scope: 'openid' }
  await server.addClient({ clientId: exempt, kind: 'web', requirePkce: false, secret: webSecret, metadata })
})
afterAll(() => server.stop())

const refusal = async (parameters: Record<string, string | undefined>) => {
  const { browser, authorizeUrl } = createRelyingParty(server)
  return answerIn(await browser.get(await authorizeUrl(parameters)))
}
const none = { code_challenge: undefined, code_challenge_method: undefined }

test.each([
  ['web', callback],
  ['spa', 'https://spa.example/callback'],
  ['native', 'com.example.app:/callback'],
])('a %s client without a challenge is refused (§4.4.1)', async (clientId, redirectUri) => {
  expect(await refusal({ client_id: clientId, redirect_uri: redirectUri, ...none })).toMatchObject({
    error: 'invalid_request',
  })
})

test.each(['plain', undefined, 'S512', ''])(
  'the method %j is refused: only S256 is offered (§4.2, §4.3)',
  async (method) => {
    const answer = await refusal({ code_challenge_method: method })
    expect(answer).toMatchObject({ error: 'invalid_request', iss: server.issuer })
    expect(answer).not.toHaveProperty('code')
  },
)

test.each(['short', 'x'.repeat(42), 'ä'.repeat(43), ''])('a malformed challenge is refused: %j', async (challenge) => {
  expect(await refusal({ code_challenge: challenge })).toMatchObject({ error: 'invalid_request' })
})

test.each([undefined, '', 'wrong-verifier-'.repeat(4)])('the verifier %j is invalid_grant (§4.6)', async (verifier) => {
  const { authorize, token } = createRelyingParty(server)
  const { code } = await authorize()
  const fields = { grant_type: 'authorization_code', code: code!, redirect_uri: callback }
  const answer = await token(verifier === undefined ? fields : { ...fields, code_verifier: verifier })
  expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
})

describe('a confidential client that is configured without PKCE', () => {
  const party = () => createRelyingParty(server)
  const asExempt = (relyingParty: ReturnType<typeof party>) => ({
    Authorization: relyingParty.basic(exempt, webSecret),
  })
  const redeem = (relyingParty: ReturnType<typeof party>, code: string, more: Record<string, string> = {}) =>
    relyingParty.token(
      { grant_type: 'authorization_code', code, redirect_uri: callback, ...more },
      asExempt(relyingParty),
    )

  test('may omit the challenge', async () => {
    const relyingParty = party()
    const { code } = await relyingParty.authorize({ client_id: exempt, ...none })
    expect(await redeem(relyingParty, code!)).toMatchObject({ status: 200 })
  })

  test('must send the verifier when it sent a challenge', async () => {
    const relyingParty = party()
    const { code } = await relyingParty.authorize({ client_id: exempt })
    expect(await redeem(relyingParty, code!)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  test('is refused with a verifier for a code without a challenge (RFC 9700 §4.8.2)', async () => {
    const relyingParty = party()
    const { code } = await relyingParty.authorize({ client_id: exempt, ...none })
    const answer = await redeem(relyingParty, code!, { code_verifier: relyingParty.verifier })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })
})
