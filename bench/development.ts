/**
 * What the measured servers have in common: the values of the development seed, repeated for the
 * bare engine.
 */
import type { ClientMetadata } from 'oidc-provider'

export const person = { email: 'alice@example.com', password: 'wonderland tea party' }

export const web = {
  clientId: 'demo-web',
  clientSecret: 'demo-web-secret-for-development-only',
  redirectUri: 'http://localhost:3001/callback',
  scope: 'openid profile email',
}

export const machine = { clientId: 'demo-machine', clientSecret: 'demo-machine-secret-for-development-only' }

export const resource = 'http://localhost:3003/'
export const apiScope = 'api:read api:write'

/** Seconds. */
export const lifetimes = {
  accessToken: 600,
  idToken: 600,
  code: 60,
  refreshToken: 14 * 86_400,
  grant: 90 * 86_400,
  session: 86_400,
  interaction: 3600,
}

export const account = {
  sub: '5f6d4b6e-8a43-4d8e-9a52-4e0c5be3a0c9',
  name: 'Alice Liddell',
  given_name: 'Alice',
  family_name: 'Liddell',
  email: person.email,
  email_verified: true,
  updated_at: 1_767_225_600,
}

export const clients: readonly ClientMetadata[] = [
  {
    client_id: web.clientId,
    client_secret: web.clientSecret,
    redirect_uris: [web.redirectUri],
    post_logout_redirect_uris: ['http://localhost:3001/'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  },
  {
    client_id: machine.clientId,
    client_secret: machine.clientSecret,
    redirect_uris: [],
    grant_types: ['client_credentials'],
    response_types: [],
  },
]
