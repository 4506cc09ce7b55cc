/** The protocol endpoints that the engine mounts: one table that every check and header reads. */
import type { CountedLimit, Endpoint } from './endpoint.ts'

const table = [
  {
    name: 'authorization',
    path: '/authorize',
    // A HEAD would issue a code that the client never receives.
    methods: ['GET', 'POST'],
    cors: 'none',
    caller: 'browser',
    limit: { policy: 'authorization', by: 'account' },
    errors: 'page_or_oauth',
    isPostMadeGet: true,
    formOrigin: 'any',
    cache: 'never',
    opener: 'accessible',
  },
  {
    name: 'resume',
    path: '/authorize/:uid',
    methods: ['GET'],
    cors: 'none',
    caller: 'browser',
    limit: { none: 'the request that began the interaction was counted, and so is every form of its pages' },
    errors: 'page_or_json',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'never',
    opener: 'accessible',
  },
  {
    name: 'token',
    path: '/token',
    methods: ['POST', 'OPTIONS'],
    cors: 'client',
    caller: 'client',
    limit: { policy: 'token', by: 'grant_type' },
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  },
  {
    name: 'userinfo',
    path: '/userinfo',
    methods: ['GET', 'HEAD', 'POST', 'OPTIONS'],
    cors: 'client',
    caller: 'bearer',
    limit: { policy: 'userinfo', by: 'grant' },
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  },
  {
    name: 'jwks',
    path: '/jwks',
    methods: ['GET', 'HEAD', 'OPTIONS'],
    cors: 'any',
    caller: 'anyone',
    limit: { none: 'it answers from memory, the same for all' },
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'own',
    opener: 'isolated',
  },
  {
    name: 'openid_discovery',
    path: '/.well-known/openid-configuration',
    methods: ['GET', 'HEAD', 'OPTIONS'],
    cors: 'any',
    caller: 'anyone',
    limit: { none: 'it answers from memory, the same for all' },
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'fixed',
    opener: 'isolated',
  },
  {
    name: 'oauth_discovery',
    path: '/.well-known/oauth-authorization-server',
    methods: ['GET', 'HEAD', 'OPTIONS'],
    cors: 'any',
    caller: 'anyone',
    limit: { none: 'it answers from memory, the same for all' },
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'fixed',
    opener: 'isolated',
  },
  {
    name: 'end_session',
    path: '/logout',
    // A HEAD would end a session without showing the result.
    methods: ['GET', 'POST'],
    cors: 'none',
    caller: 'browser',
    limit: { policy: 'logout', by: 'ip' },
    errors: 'page_or_oauth',
    isPostMadeGet: true,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  },
  {
    name: 'end_session_confirm',
    path: '/logout/confirm',
    methods: ['POST'],
    cors: 'none',
    caller: 'browser',
    limit: { policy: 'logout', by: 'ip' },
    errors: 'page_or_oauth',
    isPostMadeGet: false,
    formOrigin: 'own',
    cache: 'never',
    opener: 'isolated',
  },
  {
    name: 'end_session_success',
    path: '/logout/success',
    methods: ['GET', 'HEAD'],
    cors: 'none',
    caller: 'browser',
    limit: { policy: 'logout', by: 'ip' },
    errors: 'page_or_oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  },
  {
    name: 'introspection',
    path: '/introspect',
    methods: ['POST'],
    cors: 'none',
    caller: 'client',
    limit: { policy: 'introspection', by: 'unauthenticated' },
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  },
  {
    name: 'revocation',
    path: '/revoke',
    methods: ['POST', 'OPTIONS'],
    cors: 'client',
    caller: 'client',
    limit: { policy: 'revocation', by: 'client' },
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  },
  {
    name: 'pushed_authorization_request',
    path: '/par',
    methods: ['POST', 'OPTIONS'],
    cors: 'client',
    caller: 'client',
    limit: { policy: 'pushed_request', by: 'client' },
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  },
] as const satisfies readonly Endpoint[]

export const endpoints: readonly Endpoint[] = table

/** The paths by name. The engine is configured with them. */
export const routes = Object.fromEntries(endpoints.map(({ name, path }) => [name, path])) as Readonly<
  Record<(typeof table)[number]['name'], string>
>

const idSegment = ':uid'
const idForm = /^[\w-]{10,64}$/

/** The id in the last segment of a path below `pattern`. */
function idIn(pattern: string, path: string): string | undefined {
  const base = pattern.slice(0, -idSegment.length)
  const id = path.slice(base.length)
  return path.startsWith(base) && idForm.test(id) ? id : undefined
}

const isPattern = ({ path }: Endpoint): boolean => path.endsWith(idSegment)
const byPath: ReadonlyMap<string, Endpoint> = new Map(
  endpoints.filter((endpoint) => !isPattern(endpoint)).map((endpoint) => [endpoint.path, endpoint]),
)
const patterns = endpoints.filter(isPattern)

/** The id of the interaction that a request to this path resumes. */
export const resumedInteraction = (path: string): string | undefined => idIn(routes.resume, path)

/** The endpoint that a request to exactly this path reaches. */
export const endpointAt = (path: string): Endpoint | undefined =>
  byPath.get(path) ?? patterns.find((endpoint) => idIn(endpoint.path, path) !== undefined)

/** The rate limit of requests to this path; undefined when none applies. */
export function limitAt(path: string): CountedLimit | undefined {
  const limit = endpointAt(path)?.limit
  return limit && 'policy' in limit ? limit : undefined
}

/** The paths of the endpoints for which `isMeant` holds, without the id that may follow. */
export const pathsOf = (isMeant: (endpoint: Endpoint) => boolean): string[] => [
  ...new Set(endpoints.filter(isMeant).map(({ path }) => path.replace('/:uid', ''))),
]
