/** The engine's paths. */

/** Where the engine answers. Plain names: they are what people read in logs and type into configurations. */
export const routes = {
  authorization: '/authorize',
  token: '/token',
  userinfo: '/userinfo',
  jwks: '/jwks',
  end_session: '/logout',
  introspection: '/introspect',
  revocation: '/revoke',
  pushed_authorization_request: '/par',
} as const

/** Where discovery answers (OpenID Connect Discovery 1.0 §4, RFC 8414 §3). */
export const discoveryPaths: readonly string[] = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
]

/** Where the engine goes on when an interaction has ended: the interaction's id is the last segment. */
const resumePath = new RegExp(`^${routes.authorization}/([\\w-]{10,64})$`)

/** The id of the interaction that a request to this path resumes. */
export const resumedInteraction = (path: string): string | undefined => resumePath.exec(path)?.[1]
