/**
 * A protected API: verifies JWT access tokens offline with jose (RFC 9068 §4) and answers as
 * RFC 6750 §3 says.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JWTPayload } from 'jose'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import type { Running } from '../listen.ts'
import { listen } from '../listen.ts'

export type ApiOptions = {
  issuer: string
  port: number
  /** The API's name at the authorization server, which is the `aud` of its tokens (RFC 8707). */
  audience: string
}

/** The values of the development seed. */
export const developmentOptions: ApiOptions = {
  issuer: 'http://localhost:3000',
  port: 3003,
  audience: 'http://localhost:3003/',
}

const scopeOfMethod: Record<string, string> = { GET: 'api:read', POST: 'api:write' }

/** Starts the API; throws when no authorization server answers at `issuer`. */
export async function start({ issuer, port, audience }: ApiOptions): Promise<Running> {
  const keys = createRemoteJWKSet(new URL(await findJwksUri(issuer)))

  /** The claims of a token for this API. Throws jose's errors. */
  async function verify(token: string): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      typ: 'at+jwt', // An ID token is signed by the same server, but does not authorize a call.
      algorithms: ['ES256', 'EdDSA', 'RS256'],
      requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
    })
    return payload
  }

  return listen(port, async (req, res) => {
    const neededScope = scopeOfMethod[req.method ?? '']
    if (new URL(req.url ?? '/', 'http://localhost').pathname !== '/') return send(res, 404, { error: 'not_found' })
    if (!neededScope) return send(res, 405, { error: 'method_not_allowed' }, { allow: 'GET, POST' })

    const token = readBearerToken(req)
    // Without a token the answer has no error code: the caller may not have known that it needs one
    // (RFC 6750 §3.1).
    if (token === undefined) return challenge(res, 401, audience)

    let claims: JWTPayload
    try {
      claims = await verify(token)
    } catch (error) {
      if (!isTokenProblem(error)) return send(res, 503, { error: 'keys_unavailable' }, { 'retry-after': '5' })
      return challenge(res, 401, audience, { error: 'invalid_token', error_description: describe(error) })
    }
    const scopes = String(claims.scope ?? '').split(' ')
    if (!scopes.includes(neededScope)) {
      return challenge(res, 403, audience, { error: 'insufficient_scope', scope: neededScope })
    }
    send(res, 200, { message: 'Hello from the protected API.', sub: claims.sub, client_id: claims.client_id, scopes })
  })
}

async function findJwksUri(issuer: string): Promise<string> {
  const response = await fetch(`${issuer}/.well-known/oauth-authorization-server`)
  if (!response.ok) throw new Error(`${issuer} answered ${response.status} to the request for its metadata`)
  const metadata = (await response.json()) as { issuer: string; jwks_uri: string }
  // RFC 8414 §3.3
  if (metadata.issuer !== issuer) throw new Error(`the issuer is ${metadata.issuer}, not ${issuer}`)
  return metadata.jwks_uri
}

/** The token in `Authorization: Bearer …`; the scheme in any case (RFC 9110 §11.1). */
const readBearerToken = (req: IncomingMessage): string | undefined =>
  /^bearer +([\w.~+/-]+=*)$/i.exec(req.headers.authorization ?? '')?.[1]

/** Keys that cannot be fetched are not the caller's fault. */
const keySetProblems = ['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT']
const isTokenProblem = (error: unknown): error is errors.JOSEError =>
  error instanceof errors.JOSEError && !keySetProblems.includes(error.code)

/** The reason in the characters that the header allows (RFC 6750 §3). */
const describe = (error: Error): string => error.message.replace(/[^ -~]|["\\]/g, "'")

function challenge(res: ServerResponse, status: number, realm: string, params: Record<string, string> = {}): void {
  const list = Object.entries({ realm, ...params }).map(([name, value]) => `${name}="${value}"`)
  send(res, status, { error: params.error ?? 'unauthorized' }, { 'www-authenticate': `Bearer ${list.join(', ')}` })
}

function send(res: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
  res.end(`${JSON.stringify(body)}\n`)
}

if (import.meta.main) {
  const { ISSUER: issuer = developmentOptions.issuer, PORT: port = developmentOptions.port } = process.env
  const { url } = await start({ ...developmentOptions, issuer, port: Number(port) })
  console.log(`Protected API: ${url}`)
}
