import { headerProblem } from '../../src/oidc/jwt-header.ts'

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const withHeader = (header: unknown): string => `${encoded(header)}.${encoded({ sub: 'a' })}.c2ln`
const problem = (header: unknown, more: Partial<Parameters<typeof headerProblem>[1]> = {}) =>
  headerProblem(withHeader(header), { algorithms: ['RS256'], ...more })

describe('the header of a JWT that this server checks (RFC 8725 §3)', () => {
  test('with the registered algorithm and no other member passes', () => {
    expect(problem({ alg: 'RS256', kid: '1' })).toBeUndefined()
  })

  test.each(['none', 'None', 'HS256', 'HS512', 'ES256', '', undefined, ['RS256'], null])(
    'with alg %p, which is not the registered one, is refused (§3.1)',
    (alg) => {
      expect(problem({ alg })).toMatch('algorithm')
    },
  )

  test.each(['jku', 'x5u', 'x5c'])('that contains a key in %s is refused (§3.10)', (name) => {
    expect(problem({ alg: 'RS256', [name]: 'https://evil.example/keys' })).toMatch(name)
  })

  test('with a jwk is refused, except for a DPoP proof (RFC 9449 §4.2)', () => {
    expect(problem({ alg: 'RS256', jwk: { kty: 'RSA' } })).toMatch('own key')
    expect(problem({ alg: 'RS256', jwk: { kty: 'RSA' } }, { mayEmbedKey: true })).toBeUndefined()
  })

  test.each([[['exp']], [['b64']], [[]], 'exp'])('with crit %p is refused (RFC 7515 §4.1.11)', (crit) => {
    expect(problem({ alg: 'RS256', crit, exp: 1, b64: true })).toMatch('critical')
  })

  test('must have the expected type, in any letter case, with or without application/ (RFC 7515 §4.1.9)', () => {
    expect(problem({ alg: 'RS256', typ: 'at+jwt' }, { typ: 'at+jwt' })).toBeUndefined()
    expect(problem({ alg: 'RS256', typ: 'application/AT+JWT' }, { typ: 'at+jwt' })).toBeUndefined()
    for (const typ of ['JWT', undefined, 7]) expect(problem({ alg: 'RS256', typ }, { typ: 'at+jwt' })).toMatch('type')
  })

  test.each(['', 'a.b', 'a.b.c', 'a.b.c.d.e', `${encoded([])}.e30.x`, `${encoded('RS256')}.e30.x`])(
    'of a string that is not a JWT (%p) is refused',
    (token) => {
      expect(headerProblem(token, { algorithms: ['RS256'] })).toBeDefined()
    },
  )
})
