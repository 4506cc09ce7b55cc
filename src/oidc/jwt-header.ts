/** Checks the header of a JWS before its signature. A token must not choose its own key. */
import { decodeProtectedHeader } from 'jose'

type Expected = {
  /** The algorithms that are registered for the key or client. Never `none`, never an HMAC. */
  algorithms: readonly string[]
  /** The `typ` of the token's standard (RFC 8725 §3.11); when absent, any type is accepted. */
  typ?: string
  /** Only a DPoP proof contains its key (RFC 9449 §4.2). */
  mayEmbedKey?: boolean
}

// RFC 8725 §3.10 and RFC 7515 §4.1: the sender chooses the key with each of these. With x5t it does
// not.
const keyParameters = ['jku', 'x5u', 'x5c'] as const

const mediaType = (typ: unknown): unknown =>
  typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ

/**
 * Gives what is wrong with the header of the compact JWS `token` as a short text, or undefined.
 * RFC 8725 §3.1, §3.10, §3.11. RFC 7515 §4.1.11: no critical extension is supported.
 */
export function headerProblem(token: string, { algorithms, typ, mayEmbedKey = false }: Expected): string | undefined {
  if (token.split('.').length !== 3) return 'not a signed JWT'
  let header: Record<string, unknown>
  try {
    header = decodeProtectedHeader(token)
  } catch {
    // jose refuses a header that is not JSON.
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
