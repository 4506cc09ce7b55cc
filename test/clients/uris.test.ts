/** Which redirect URIs a client may register (RFC 8252 §7). */
import { validateClient } from '../../src/clients/lint.ts'
import type { ClientKind } from '../../src/clients/service.ts'

function problemOf(kind: ClientKind, uri: unknown, isDevelopment = false): string | undefined {
  const metadata = { client_name: 'App', redirect_uris: [uri] }
  const { problems } = validateClient({ kind, metadata }, { isDevelopment })
  return problems[0]?.code
}

test.each([
  ['web', 'https://app.example/callback'],
  ['web', 'https://app.example:8443/callback?tenant=1'],
  ['spa', 'https://app.example/'],
  ['native', 'https://app.example/callback'],
  ['native', 'http://127.0.0.1/callback'],
  ['native', 'http://[::1]:1234/callback'],
  ['native', 'http://127.0.0.1:65535/a:/b'],
  ['web', 'https://app.example:443'],
  ['native', 'http://localhost/callback'],
  ['native', 'com.example.app:/callback'],
  ['native', 'com.example.app://callback'],
] as const)('in production a %s client may have %s', (kind, uri) => {
  expect(problemOf(kind, uri)).toBeUndefined()
})

test.each([
  ['web', 'http://localhost:3001/callback', 'uri_loopback'],
  ['web', 'http://app.example/callback', 'uri_http'],
  ['native', 'http://app.example/callback', 'uri_http'],
  ['web', 'com.example.app:/callback', 'uri_scheme'],
  ['native', 'myapp:/callback', 'uri_scheme_reverse_domain'],
  ['web', 'https://app.example/#x', 'uri_fragment'],
  ['web', 'https://app.example/#', 'uri_fragment'],
  ['web', 'https://user@app.example/', 'uri_userinfo'],
  ['web', 'https://app.example@evil.example/', 'uri_userinfo'],
  ['web', 'https://:@app.example/', 'uri_userinfo'],
  ['web', 'https://*.app.example/', 'uri_wildcard'],
  ['web', 'https://app.example/*', 'uri_wildcard'],
  ['web', 'https://app.example\\@evil.example/', 'uri_backslash'],
  ['web', 'https://app.example/\u0000', 'uri_character'],
  ['web', 'https://app.example/a b', 'uri_character'],
  ['web', ' https://app.example/', 'uri_character'],
  ['web', 'https://app.example/\n', 'uri_character'],
  ['web', 'https://\u0430pp.example/', 'uri_character'],
  ['web', 'https://app.example/a/../b', 'uri_dots'],
  ['web', 'https://app.example/..', 'uri_dots'],
  ['web', 'https://app.example/%2e%2e/b', 'uri_dots'],
  ['web', 'https://app.example/.%2E/b', 'uri_dots'],
  ['web', 'JavaScript:alert(1)', 'uri_scheme_dangerous'],
  ['native', 'javascript:alert(1)', 'uri_scheme_dangerous'],
  ['native', 'DATA:text/html,x', 'uri_scheme_dangerous'],
  ['web', '//app.example/', 'uri_not_absolute'],
  ['web', '/callback', 'uri_not_absolute'],
  ['web', 'https:app.example', 'uri_not_absolute'],
  ['web', 'https:///app.example', 'uri_not_absolute'],
  ['web', 'https://', 'uri_not_absolute'],
  ['web', 'HTTPS://app.example/', 'uri_not_canonical'],
  ['web', 'https://App.example/', 'uri_not_canonical'],
  ['web', 'https://127.1/', 'uri_not_canonical'],
  ['native', 'http://127.0.0.1:/cb', 'uri_port'],
  ['native', 'http://127.0.0.1:080/cb', 'uri_port'],
  ['native', 'http://[::1]:/cb', 'uri_port'],
  ['native', 'http://localhost:0?x', 'uri_port'],
  ['web', 'https://app.example:', 'uri_port'],
  ['web', 'https://app.example:0443/', 'uri_port'],
  ['web', `https://app.example/${'x'.repeat(2000)}`, 'uri_too_long'],
  ['web', '', 'uri_required'],
  ['web', 7, 'uri_required'],
] as const)('in production a %s client may not have %j', (kind, uri, code) => {
  expect(problemOf(kind, uri)).toBe(code)
})

test.each(['web', 'spa', 'native'] as const)(
  'in development a %s client may have an http redirect URI on localhost',
  (kind) => {
    expect(problemOf(kind, 'http://localhost:3001/callback', true)).toBeUndefined()
    expect(problemOf(kind, 'http://app.example/callback', true)).toBe('uri_http')
  },
)

test('a client without a kind or with an unknown kind is refused, and the error names the kinds', () => {
  const { problems } = validateClient({ kind: 'desktop' as ClientKind, metadata: {} }, { isDevelopment: true })
  expect(problems).toEqual([{ path: 'kind', code: 'not_one_of', params: { allowed: 'web, spa, native, machine' } }])
})
