/** The table of endpoints equals the engine's routes, discovery and each endpoint's behaviour. */
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Endpoint } from '../../src/oidc/endpoint.ts'
import { endpoints } from '../../src/oidc/endpoints.ts'
import { grants } from '../../src/oidc/grants/index.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { startLatchkey } from '../support/latchkey.ts'

const verbs = ['get', 'post', 'put', 'delete', 'options'] as const
type Router = Record<(typeof verbs)[number], (name: string, path: string, ...middleware: unknown[]) => unknown>
type Mounted = ReadonlyMap<string, ReadonlySet<string>>

let server: Latchkey
const mounted = new Map<string, Set<string>>()

/** The engine's router does not list its routes, so each one is recorded when it is mounted. */
async function watchRouter(): Promise<void> {
  const library = path.dirname(createRequire(import.meta.url).resolve('oidc-provider'))
  const { default: EngineRouter } = await import(path.join(library, 'helpers/router.js'))
  const router = EngineRouter.prototype as Router
  for (const verb of verbs) {
    const mount = router[verb]
    router[verb] = function note(this: Router, name, at, ...middleware) {
      const methods = mounted.get(at) ?? new Set()
      mounted.set(at, methods)
      for (const method of verb === 'get' ? ['GET', 'HEAD'] : [verb.toUpperCase()]) methods.add(method)
      return mount.call(this, name, at, ...middleware)
    }
  }
}

beforeAll(async () => {
  await watchRouter()
  server = await startLatchkey()
})
afterAll(() => server?.stop())

/** The differences between the table and the engine's router. */
function differences(routes: Mounted, rows: readonly Endpoint[]): string[] {
  const unlisted = [...routes.keys()].filter((at) => !rows.some((row) => row.path === at))
  const unmounted = rows.filter((row) => !routes.has(row.path))
  const unanswered = rows.flatMap((row) =>
    row.methods
      .filter((method) => routes.get(row.path)?.has(method) === false && !(method === 'POST' && row.isPostMadeGet))
      .map((method) => `${method} ${row.path} is not answered`),
  )
  return [
    ...unlisted.map((at) => `${at} has no row`),
    ...unmounted.map((row) => `${row.path} is not mounted`),
    ...unanswered,
  ]
}

test('every endpoint that the engine mounts has a row, and every row is mounted', () => {
  expect(mounted.size).toBeGreaterThan(0)
  expect(differences(mounted, endpoints)).toEqual([])
  // Planted: a feature without a row, a row without its feature, and a method without a handler.
  const withDevice: Mounted = new Map([...mounted, ['/device/auth', new Set(['POST'])]])
  expect(differences(withDevice, endpoints)).toEqual(['/device/auth has no row'])
  const withoutPar: Mounted = new Map([...mounted].filter(([at]) => at !== '/par'))
  expect(differences(withoutPar, endpoints)).toEqual(['/par is not mounted'])
  const withoutHead: Mounted = new Map([...mounted, ['/jwks', new Set(['GET', 'OPTIONS'])]])
  expect(differences(withoutHead, endpoints)).toEqual(['HEAD /jwks is not answered'])
})

test('every endpoint and every grant that discovery names is listed, and no other grant', async () => {
  const discovery = endpoints.find(({ name }) => name === 'openid_discovery')!
  const document = (await (await fetch(server.issuer + discovery.path)).json()) as Record<string, unknown>
  const named = Object.entries(document)
    .filter(([name]) => /_endpoint$|_uri$/.test(name))
    .map(([, url]) => String(url).slice(server.issuer.length))
  expect(named.length).toBeGreaterThan(0)
  expect(named.filter((at) => !endpoints.some((row) => row.path === at))).toEqual([])
  expect(document.grant_types_supported).toEqual(grants.map(({ type }) => type))
})

const rows = endpoints.map((row) => [row.path, row] as const)
const ask = (row: Endpoint, init: RequestInit = {}) =>
  fetch(server.issuer + row.path.replace(':uid', 'some-interaction-id'), { redirect: 'manual', ...init })
const post = (row: Endpoint, headers: Record<string, string> = {}) =>
  ask(row, { method: 'POST', body: new URLSearchParams({ prompt: 'none' }), headers })
/** A request with a method that the endpoint accepts. */
const askRightly = (row: Endpoint) => (row.methods.includes('GET') ? ask(row) : post(row))

describe.each(rows)('%s', (_path, row) => {
  test('accepts the methods of its row, and answers other methods with 405', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
      if (row.methods.some((one) => one === method)) continue
      const { status, headers } = await ask(row, { method })
      expect([method, status, headers.get('Allow')]).toEqual([method, 405, row.methods.join(', ')])
    }
    const answer = await askRightly(row)
    expect([404, 405]).not.toContain(answer.status)
  })

  test('allows the origins of its row to read it', async () => {
    const origin = 'https://spa.example'
    const headers = { Origin: origin, 'Access-Control-Request-Method': 'POST' }
    const answer = await ask(row, { method: 'OPTIONS', headers })
    const allowed = { any: '*', client: origin, none: null }[row.cors]
    const methods = row.methods.filter((method) => method === 'GET' || method === 'POST').join(',')
    expect([
      answer.headers.get('Access-Control-Allow-Origin'),
      answer.headers.get('Access-Control-Allow-Methods'),
    ]).toEqual([allowed, allowed === null ? null : methods])
  })

  test('counts for the rate limit of its row', async () => {
    // The first failed authentication reports its own limit, not the endpoint's.
    await askRightly(row)
    const policy = (await askRightly(row)).headers.get('RateLimit-Policy')
    if ('policy' in row.limit) expect(policy).toEqual(expect.stringMatching(`^"${row.limit.policy}";`))
    else expect(policy).toBeNull()
  })

  test('returns errors in the format of its row', async () => {
    const refused = async (accept: string) => {
      const answer = await ask(row, { method: 'PUT', headers: { Accept: accept } })
      const text = await answer.text()
      if (!answer.headers.get('Content-Type')?.startsWith('application/json')) return 'page'
      return JSON.parse(text).error === 'invalid_request' ? 'oauth' : 'json'
    }
    const told = `${await refused('text/html')}, ${await refused('application/json')}`
    expect(told).toBe({ oauth: 'oauth, oauth', page_or_oauth: 'page, oauth', page_or_json: 'page, json' }[row.errors])
  })

  test('redirects a POST to GET only if its row says so', async () => {
    if (!row.methods.includes('POST')) return expect(row.isPostMadeGet).toBe(false)
    const { status, headers } = await post(row)
    const isMadeGet = status === 303 && headers.get('Location') === `${row.path}?prompt=none`
    expect(isMadeGet).toBe(row.isPostMadeGet)
  })

  test('accepts a form of another origin only if its row says so', async () => {
    if (!row.methods.includes('POST')) return expect(row.formOrigin).toBe('any')
    const { status } = await post(row, { Origin: 'https://evil.example' })
    expect(status === 403).toBe(row.formOrigin === 'own')
  })

  test('has the cache and opener headers of its row', async () => {
    const { headers } = await askRightly(row)
    const cached = headers.get('Cache-Control')
    if (row.cache === 'never') expect(cached).toMatch(/no-store/)
    else expect(cached).toMatch(row.cache === 'fixed' ? /^public, max-age=300$/ : /^public, max-age=\d+$/)
    expect(headers.get('Cross-Origin-Opener-Policy')).toBe(row.opener === 'isolated' ? 'same-origin' : null)
  })
})
