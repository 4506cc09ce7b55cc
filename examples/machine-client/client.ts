/**
 * A machine client: gets a token for the protected API with its own credentials (RFC 6749 §4.4) and
 * calls the API.
 */
import * as client from 'openid-client'

export type MachineOptions = {
  issuer: string
  clientId: string
  clientSecret: string
  /** The API's name at the authorization server (RFC 8707 §2). */
  resource: string
  scope: string
  /** The URL of the API; often the same as its name. */
  apiUrl: string
}

/** The values of the development seed. */
export const developmentOptions: MachineOptions = {
  issuer: 'http://localhost:3000',
  clientId: 'demo-machine',
  clientSecret: 'demo-machine-secret-for-development-only',
  resource: 'http://localhost:3003/',
  scope: 'api:read',
  apiUrl: 'http://localhost:3003/',
}

/** Gets a token and returns the API's answer. Throws openid-client's errors. */
export async function callApi(options: MachineOptions): Promise<{ status: number; body: unknown }> {
  const { issuer, clientId, clientSecret, resource, scope, apiUrl } = options
  const insecure = issuer.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : undefined
  const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, insecure)
  const { access_token } = await client.clientCredentialsGrant(config, { resource, scope })
  const response = await client.fetchProtectedResource(config, access_token, new URL(apiUrl), 'GET')
  return { status: response.status, body: await response.json() }
}

if (import.meta.main) {
  const { ISSUER: issuer = developmentOptions.issuer } = process.env
  const { status, body } = await callApi({ ...developmentOptions, issuer })
  console.log(status, body)
}
