/**
 * The setup of the examples' tests: a server with clients for free ports, and every example started
 * against it.
 */
import * as protectedApi from '../../examples/protected-api/server.ts'
import * as spa from '../../examples/spa/server.ts'
import * as webApp from '../../examples/web-app/server.ts'
import { startLatchkey } from '../support/latchkey.ts'
import { findFreePorts } from '../support/ports.ts'

export const machine = { clientId: 'demo-machine', clientSecret: 'a-secret-of-the-tests-for-the-machine-client' }
export const audience = protectedApi.developmentOptions.audience
export const otherAudience = 'https://other.example/'

const webClient = { clientId: 'demo-web', clientSecret: 'a-secret-of-the-tests-for-the-web-app-example' }

/**
 * The clients of the development seed with the addresses of this test, its API, and an API that is
 * not the example.
 */
const seedFor = (webPort: number, spaPort: number) => `
clients:
  - client_id: ${webClient.clientId}
    kind: web
    client_name: Web app under test
    client_secret: ${webClient.clientSecret}
    redirect_uris: [http://localhost:${webPort}/callback]
    post_logout_redirect_uris: [http://localhost:${webPort}/]
    grant_types: [authorization_code, refresh_token]
    scope: openid profile email
  - client_id: demo-spa
    kind: spa
    client_name: Single-page app under test
    redirect_uris: [http://localhost:${spaPort}/callback]
    post_logout_redirect_uris: [http://localhost:${spaPort}/]
    grant_types: [authorization_code, refresh_token]
    scope: openid profile email
  - client_id: ${machine.clientId}
    kind: machine
    client_name: Machine client under test
    client_secret: ${machine.clientSecret}
    grant_types: [client_credentials]
    scope: api:read api:write
resource_servers:
  - { identifier: '${audience}', name: Demo API, token_format: jwt, signing_algorithm: ES256, scopes: [{ name: 'api:read' }, { name: 'api:write' }] }
  - { identifier: '${otherAudience}', name: Another API, token_format: jwt, signing_algorithm: ES256, scopes: [{ name: 'api:read' }] }
`

export type Setup = Awaited<ReturnType<typeof openSetup>>

/** The server and the three examples that listen. The clock moves all of them, but no browser. */
export async function openSetup() {
  const [webPort = 0, spaPort = 0, apiPort = 0] = await findFreePorts(3)
  const latchkey = await startLatchkey()
  const { issuer } = latchkey
  await latchkey.parts.seed.apply(seedFor(webPort, spaPort), {
    by: { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } },
  })
  const web = await webApp.start({ ...webApp.developmentOptions, ...webClient, issuer, port: webPort })
  const page = await spa.start({ ...spa.developmentOptions, issuer, port: spaPort })
  const api = await protectedApi.start({ ...protectedApi.developmentOptions, issuer, port: apiPort })
  return {
    latchkey,
    issuer,
    clock: latchkey.clock,
    web,
    spa: page,
    api,
    close: async () => {
      await Promise.all([web.close(), page.close(), api.close()])
      await latchkey.stop()
    },
  }
}
