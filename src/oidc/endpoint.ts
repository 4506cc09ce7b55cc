/** The columns of the table in `endpoints.ts`. A row without one of them does not compile. */
import type { PolicyName } from '../limits/policies.ts'

/**
 * What is counted for a request: the ip and, once the engine knows it, the value that `by` names.
 */
export type CountedLimit = Readonly<{
  policy: PolicyName
  by: /** The ip. */
    | 'ip'
    /** The ip, and the account that is signed in. */
    | 'account'
    /** The ip, and the grant of the access token. */
    | 'grant'
    /** The ip until the client is authenticated, then the client. */
    | 'client'
    /** The ip until the client is authenticated, then nothing. */
    | 'unauthenticated'
    /** As the grant type defines (`grants/index.ts`), or the ip until it is known. */
    | 'grant_type'
}>

/** `none` is the reason why nothing is counted. */
type EndpointLimit = CountedLimit | Readonly<{ none: string }>

export type Endpoint = Readonly<{
  /** The engine's name of the route; each of the two discovery documents has its own. */
  name: string
  /** `:uid` is the id of an interaction. */
  path: string
  /** All others are refused with 405. */
  methods: readonly ('GET' | 'HEAD' | 'POST' | 'OPTIONS')[]
  /** Scripts that may read an answer: those of any origin, of the client's origins, or none. */
  cors: 'any' | 'client' | 'none'
  /** A `client` authenticates or names itself, a `bearer` has a token, a `browser` cookies. */
  caller: 'anyone' | 'client' | 'bearer' | 'browser'
  limit: EndpointLimit
  /**
   * `oauth`: always JSON with the names of RFC 6749 §5.2. The others show a page to a browser;
   * a program gets that JSON, or the one of our own pages.
   */
  errors: 'oauth' | 'page_or_oauth' | 'page_or_json'
  /** Whether a POST is answered by 303 to the same request as GET. */
  isPostMadeGet: boolean
  /** The origin of an unsafe request: any, or our own because only our pages have the form. */
  formOrigin: 'any' | 'own'
  /** How long an answer is cached: never, as in `http/headers.ts`, or as the endpoint sets it. */
  cache: 'never' | 'fixed' | 'own'
  /** `kept` for pages in a sign-in popup: Cross-Origin-Opener-Policy would disconnect the popup. */
  opener: 'accessible' | 'isolated'
}>
