/** The kinds of client, with their defaults and permissions. */
import type { ClientKind } from './client.ts'

export type ClientProfile = Readonly<{
  isConfidential: boolean
  /** Named as in RFC 7591 §2. The first is the default. */
  authMethods: readonly string[]
  grantTypes: readonly string[]
  defaultGrantTypes: readonly string[]
  defaultScope: string
  applicationType: 'web' | 'native'
  /** Whether users are redirected to it, with redirect URIs and OpenID Connect scopes. */
  hasRedirects: boolean
  /** Whether it may redirect to private-use schemes and loopback http (RFC 8252 §7). */
  isNative: boolean
  mayBeFirstParty: boolean
}>

const confidentialMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
const userGrants = ['authorization_code', 'refresh_token']

export const clientProfiles: Readonly<Record<ClientKind, ClientProfile>> = {
  /** Runs on a server and has a secret. */
  web: {
    isConfidential: true,
    authMethods: confidentialMethods,
    grantTypes: [...userGrants, 'client_credentials'],
    defaultGrantTypes: userGrants,
    defaultScope: 'openid profile email',
    applicationType: 'web',
    hasRedirects: true,
    isNative: false,
    mayBeFirstParty: true,
  },
  /** Runs in a browser: public, always PKCE. */
  spa: {
    isConfidential: false,
    authMethods: ['none'],
    grantTypes: userGrants,
    defaultGrantTypes: userGrants,
    defaultScope: 'openid profile email',
    applicationType: 'web',
    hasRedirects: true,
    isNative: false,
    mayBeFirstParty: true,
  },
  /** Runs on a phone or a desktop: public, always PKCE, always asks for consent (RFC 8252 §8.6). */
  native: {
    isConfidential: false,
    authMethods: ['none'],
    grantTypes: userGrants,
    defaultGrantTypes: userGrants,
    defaultScope: 'openid profile email',
    applicationType: 'native',
    hasRedirects: true,
    isNative: true,
    mayBeFirstParty: false,
  },
  /** Acts for itself, with client_credentials only. */
  machine: {
    isConfidential: true,
    authMethods: confidentialMethods,
    grantTypes: ['client_credentials'],
    defaultGrantTypes: ['client_credentials'],
    defaultScope: '',
    applicationType: 'web',
    hasRedirects: false,
    isNative: false,
    mayBeFirstParty: true,
  },
}
