/** A grant is one file and one line: a planted one is offered, checked, limited and answered. */
import type { Grant } from '../../src/oidc/grants/grant.ts'
import { grants } from '../../src/oidc/grants/index.ts'
import { createGrantSteps } from '../../src/oidc/grants/steps.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey, webSecret } from '../support/latchkey.ts'

const steps: string[] = []
const planted: Grant = {
  type: 'urn:example:planted',
  handler: {
    parameters: ['scope'],
    handle: (ctx) => {
      steps.push('handle')
      ctx.body = { access_token: 'planted', token_type: 'Bearer' }
    },
  },
  spends: { none: 'planted' },
  limit: { policy: 'client_credentials', by: 'client' },
  before: ({ requestedScope }) => {
    steps.push(`before ${requestedScope}`)
  },
  after: ({ ctx }) => {
    steps.push(`after ${JSON.stringify(ctx.body)}`)
  },
}

let server: Latchkey
beforeAll(async () => {
  // The list is read-only in the program. This is the line that a new grant would add.
  const list = grants as Grant[]
  list.push(planted)
  server = await startLatchkey()
  // A profile lists the grants of its client kind, and the planted grant is not in it.
  await server.database.knex.raw(
    `UPDATE client SET metadata = jsonb_set(metadata, '{grant_types}', ?::jsonb) WHERE client_id = 'machine'`,
    [JSON.stringify(['client_credentials', planted.type])],
  )
})
afterAll(() => server?.stop())

test('an added grant is advertised, checked, rate-limited and answered', async () => {
  const document = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()
  expect((document as { grant_types_supported: string[] }).grant_types_supported).toContain(planted.type)
  const { call, basic } = createRelyingParty(server)
  const headers = { Authorization: basic('machine', webSecret) }
  const answer = await call('/token', { grant_type: planted.type, scope: 'api:read' }, headers)
  expect([answer.status, answer.body.access_token]).toEqual([200, 'planted'])
  expect(answer.headers.get('RateLimit-Policy')).toMatch(/^"client_credentials";/)
  expect(steps).toEqual(['before api:read', 'handle', `after ${JSON.stringify(answer.body)}`])
})

test('a grant of the engine without a file in this server prevents the start', () => {
  const wrap = createGrantSteps({ grants: [planted] } as unknown as Parameters<typeof createGrantSteps>[0])
  expect(() => wrap('urn:ietf:params:oauth:grant-type:device_code', () => {})).toThrow(/device_code/)
})
