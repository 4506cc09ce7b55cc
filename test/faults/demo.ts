/**
 * The demo client of the development seed at started servers: the whole flow at one server, single
 * requests at any.
 */
import { createRelyingParty, testPassword } from '../support/latchkey.ts'
import type { Servers, StartedProcess } from '../support/processes.ts'

const redirectUri = 'http://localhost:3001/callback'
const secret = 'demo-web-secret-for-development-only'
const machineSecret = 'demo-machine-secret-for-development-only'
export const demoApi = 'http://localhost:3003/'

export function createDemo(servers: Pick<Servers, 'issuer'>) {
  const rp = createRelyingParty(servers)
  const parameters = { client_id: 'demo-web', redirect_uri: redirectUri }

  async function post(
    at: Pick<StartedProcess, 'url'>,
    path: string,
    fields: Record<string, string>,
    headers: Record<string, string>,
  ) {
    const response = await fetch(at.url + path, { method: 'POST', body: new URLSearchParams(fields), headers })
    const text = await response.text()
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
    const body: any = text.startsWith('{') ? JSON.parse(text) : text
    return { status: response.status, headers: response.headers, body }
  }
  const web = { Authorization: rp.basic('demo-web', secret) }
  const machine = { Authorization: rp.basic('demo-machine', machineSecret) }

  return {
    rp,
    /** A code for alice. Signs in at the issuer when necessary. */
    code: async (more: Record<string, string> = {}) =>
      (await rp.authorize({ ...parameters, scope: 'openid offline_access', ...more })).code!,
    authorizeUrl: (more: Record<string, string> = {}) => rp.authorizeUrl({ ...parameters, ...more }),
    password: testPassword,
    exchange: (at: StartedProcess, code: string) =>
      post(
        at,
        '/token',
        { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: rp.verifier },
        web,
      ),
    refresh: (at: StartedProcess, token: string) =>
      post(at, '/token', { grant_type: 'refresh_token', refresh_token: token }, web),
    introspect: (at: StartedProcess, token: string) => post(at, '/introspect', { token }, web),
    machineToken: (at: StartedProcess, more: Record<string, string> = {}) =>
      post(at, '/token', { grant_type: 'client_credentials', ...more }, machine),
    userinfo: async (at: StartedProcess, token: string) => {
      const response = await fetch(`${at.url}/userinfo`, { headers: { Authorization: `Bearer ${token}` } })
      await response.text()
      return { status: response.status, headers: response.headers }
    },
  }
}
