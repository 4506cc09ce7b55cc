/** Rows of the attack list whose features do not exist yet: not advertised, no route, refused. */
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'

let server: Latchkey
beforeAll(async () => {
  server = await startLatchkey()
})
afterAll(() => server.stop())

test.each([
  [17, '/webauthn'],
  [24, '/upstream'],
  [44, '/request'],
  [46, '/device'],
  [46, '/device/auth'],
  [54, '/admin'],
  [54, '/admin/api/clients'],
  [55, '/account/sessions/1'],
  [57, '/reg'],
  [57, '/reg/web'],
  [57, '/backchannel'],
  [58, '/scim/v2/Users'],
  [80, '/account/picture'],
  [60, '/dev/mail'],
  [60, '/metrics'],
])('%i: %s does not exist', async (_row, path) => {
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    const response = await fetch(server.issuer + path, { method, redirect: 'manual' })
    expect([method, response.status]).toEqual([method, 404])
  }
})

test('45: a client with URLs that the server would fetch is refused', async () => {
  const base = { client_name: 'Lever', redirect_uris: ['https://lever.example/callback'] }
  for (const extra of [
    { sector_identifier_uri: 'https://x.example' },
    { logo_uri: 'https://x.example' },
    { backchannel_logout_uri: 'http://169.254.169.254/' },
  ]) {
    await expect(
      server.addClient({ clientId: 'lever', kind: 'spa', metadata: { ...base, ...extra } }),
    ).rejects.toMatchObject({ code: 'client_invalid' })
  }
})
