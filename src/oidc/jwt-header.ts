/** The header of a JWS, read before its signature is checked: what it may say, and nothing that lets the token choose its own key. */
import { decodeProtectedHeader } from 'jose'

type Expected = {
  /** The algorithms that the key or the client is registered for. Never `none`, never an HMAC. */
  algorithms: readonly string[]
  /** `typ` as the token's own standard names it (RFC 8725 §3.11); without it any will do. */
  typ?: string
  /** Only a DPoP proof carries its key (RFC 9449 §4.2). */
  mayEmbedKey?: boolean
}

// RFC 8725 §3.10 and RFC 7515 §4.1: each of them brings or fetches a key that the sender has chosen. A thumbprint (x5t) does not.
const keyParameters = ['jku', 'x5u', 'x5c'] as const

const mediaType = (typ: unknown): unknown =>
  typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ

/**
 * What is wrong with the protected header of `token`, a compact JWS, in a few words for a log or an `error_description`; undefined
 * when nothing is. Follows RFC 8725 §3.1 (the algorithm is pinned), §3.10 and §3.11, and RFC 7515 §4.1.11: we understand no
 * extension, so whatever is critical is refused.
 */
export function headerProblem(token: string, { algorithms, typ, mayEmbedKey = false }: Expected): string | undefined {
  if (token.split('.').length !== 3) return 'not a signed JWT'
  let header: Record<string, unknown>
  try {
    header = decodeProtectedHeader(token)
  } catch {
    return 'the header cannot be read'
  }
  if (typeof header.alg !== 'string' || !algorithms.includes(header.alg))
    return 'the algorithm is not the registered one'
  if (typ !== undefined && mediaType(header.typ) !== mediaType(typ)) return `the type is not ${typ}`
  if ('jwk' in header && !mayEmbedKey) return 'the header brings its own key'
  const foreign = keyParameters.find((name) => name in header)
  if (foreign) return `the header names a key by ${foreign}`
  if ('crit' in header) return 'the header has a critical extension'
  return undefined
}
