/**
 * A protected API that asks Latchkey about every token, opaque or JWT (RFC 7662). It sees a
 * revocation at once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import * as client from 'openid-client'
import type { Running } from '../listen.ts'
import { listen } from '../listen.ts'

export type ApiOptions = {
  issuer: string
  port: number
  /** The API's name at the authorization server. The API rejects tokens for other audiences. */
  audience: string
  /** The API's own client, registered for it with `--introspection-client`. */
  clientId: string
  clientSecret: string
}

/** The values of the development seed. */
export const developmentOptions: ApiOptions = {
  issuer: 'http://localhost:3000',
  port: 3004,
  audience: 'http://localhost:3003/',
  clientId: 'demo-api',
  clientSecret: 'demo-api-secret-for-development-only',
}

/** Starts the API; throws when no authorization server answers at `issuer`. */
export async function start({ issuer, port, audience, clientId, clientSecret }: ApiOptions): Promise<Running> {
  const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, {
    execute: issuer.startsWith('http:') ? [client.allowInsecureRequests] : [],
  })

  return listen(port, async (req, res) => {
    const token = readBearerToken(req)
    if (token === undefined) return challenge(res, 401)
    let about: client.IntrospectionResponse
    try {
      about = await client.tokenIntrospection(config, token)
    } catch (error) {
      // Without an answer the API must not allow access.
      console.error(error)
      return send(res, 503, { error: 'introspection_unavailable' }, { 'retry-after': '5' })
    }
    if (!about.active || about.aud !== audience) return challenge(res, 401, { error: 'invalid_token' })
    if (!about.scope?.split(' ').includes('api:read')) {
      return challenge(res, 403, { error: 'insufficient_scope', scope: 'api:read' })
    }
    send(res, 200, { message: 'Hello from the introspecting API.', sub: about.sub, client_id: about.client_id })
  })
}

/** The token in `Authorization: Bearer …`; the scheme in any case (RFC 9110 §11.1). */
const readBearerToken = (req: IncomingMessage): string | undefined =>
  /^bearer +([\w.~+/-]+=*)$/i.exec(req.headers.authorization ?? '')?.[1]

function challenge(res: ServerResponse, status: number, params: Record<string, string> = {}): void {
  const list = Object.entries(params).map(([name, value]) => `${name}="${value}"`)
  const header = ['Bearer', list.join(', ')].filter((part) => part !== '').join(' ')
  send(res, status, { error: params.error ?? 'unauthorized' }, { 'www-authenticate': header })
}

function send(res: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
  res.end(`${JSON.stringify(body)}\n`)
}

if (import.meta.main) {
  const { ISSUER: issuer = developmentOptions.issuer, PORT: port = developmentOptions.port } = process.env
  const { url } = await start({ ...developmentOptions, issuer, port: Number(port) })
  console.log(`Introspecting API: ${url}`)
}
