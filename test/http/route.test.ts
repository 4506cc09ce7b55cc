/** An invalid route is refused at start. A mounted one answers only its declared requests. */
import type { Context } from 'koa'
import { z } from 'zod'
import type { Access, AccessGuards, Visit } from '../../src/access/access.ts'
import { AppError } from '../../src/errors.ts'
import type { Csrf } from '../../src/http/csrf.ts'
import type { Route } from '../../src/http/route.ts'
import { api, page as pageOf } from '../../src/http/route.ts'
import { createRouter, mountRoutes } from '../../src/http/route-mount.ts'
import type { TestServer } from './support.ts'
import { startTestServer } from './support.ts'

const noCsrf: Csrf = {
  tokenFor: () => '',
  formOf: () => '',
  bindTo: () => {},
  checkToken: () => {},
  checkOrigin: () => {},
  guardOrigin: () => async () => {},
}
const rateLimiter = { countIp: async () => {}, countIdentifier: async () => {} }
const guards: AccessGuards = { session: async () => ({ loginUrl: '/login' }) }
const deps = { csrf: noCsrf, permissions: ['clients:read'], guards, limits: { rateLimiter, policies: ['link'] } }
const mount = (...routes: unknown[]) => mountRoutes(createRouter(), routes as Route[], deps)

const handler = () => {}
const page = { kind: 'page', method: 'GET', path: '/p', name: 'p', access: 'public', handler }
const schema = z.strictObject({ a: z.string() })
const form = {
  kind: 'form',
  method: 'POST',
  path: '/f',
  name: 'f',
  access: 'public',
  csrf: 'token',
  limit: { policy: 'link' },
  body: { schema },
  handler,
}
const json = { ...form, kind: 'json', path: '/j', name: 'j', csrf: { exempt: 'a bearer credential' } }

test('a limit without a counter is refused, and an exemption with a reason is not', () => {
  const { limits: _limits, ...without } = deps
  expect(() => mountRoutes(createRouter(), [form as Route], without)).toThrow(/nothing counts it/)
  const exempt = { ...form, limit: { exempt: 'it is counted where it is answered' } }
  expect(() => mountRoutes(createRouter(), [exempt as Route], without)).not.toThrow()
})

test('complete routes are mounted', () => {
  expect(() =>
    mount(page, form, json, { ...page, path: '/x/:id', name: 'x', params: z.strictObject({ id: z.string() }) }),
  ).not.toThrow()
})

const refused: [why: string, route: object, sentence: RegExp][] = [
  ['a form without csrf', { ...form, csrf: undefined }, /a form needs csrf/],
  ['a form that is exempt from csrf', { ...form, csrf: { exempt: 'no reason is good enough' } }, /a form needs csrf/],
  ['a form without a schema', { ...form, body: undefined }, /takes a body and has no schema/],
  ['a form whose body is no schema', { ...form, body: { schema: {} } }, /body has no schema/],
  ['a form that lets unknown fields through', { ...form, body: { schema: z.object({}) } }, /z\.strictObject/],
  ['a form that passes any field', { ...form, body: { schema: z.looseObject({}) } }, /z\.strictObject/],
  ['a form that is no object', { ...form, body: { schema: z.string() } }, /a form is an object of fields/],
  ['a form sent with PUT', { ...form, method: 'PUT' }, /a form is sent with POST/],
  ['a body limit of nothing', { ...form, body: { schema, limitBytes: 0 } }, /body limit/],
  ['JSON that writes and is silent about csrf', { ...json, csrf: undefined }, /it writes/],
  ['an exemption without a reason', { ...json, csrf: { exempt: '' } }, /no reason/],
  ['JSON that lets unknown members through', { ...json, body: { schema: z.object({}) } }, /z\.strictObject/],
  ['a page with a body', { ...page, body: { schema } }, /a GET has no body/],
  ['a page with csrf', { ...page, csrf: 'token' }, /a GET changes nothing/],
  ['a page that writes', { ...page, method: 'POST', body: { schema }, csrf: 'token' }, /only reads/],
  ['a path parameter without a schema', { ...page, path: '/p/:id' }, /path parameters/],
  ['a schema for parameters that the path lacks', { ...page, params: schema }, /path parameters/],
  ['no access', { ...page, access: undefined }, /its access is one of/],
  [
    'an unknown permission',
    { ...page, access: { permission: 'everything:do' } },
    /permission "everything:do" is unknown/,
  ],
  [
    'a permission that nothing checks',
    { ...page, access: { permission: 'clients:read' } },
    /nothing checks permissions/,
  ],
  ['a client that nothing checks', { ...page, access: { client: 'named' } }, /nothing checks clients/],
  ['an unknown demand on a session', { ...page, access: { session: 'old' } }, /session demand "old"/],
  ['an unknown demand on a client', { ...page, access: { client: 'known' } }, /client demand "known"/],
  ['an unknown access', { ...page, access: 'private' }, /its access is one of/],
  ['two kinds of access', { ...page, access: { session: 'any', public: 'both' } }, /its access is one of/],
  ['an account page that is public', { ...page, path: '/account' }, /says why/],
  ['a page of the administration that is public', { ...page, path: '/admin/users' }, /says why/],
  ['SCIM that is public', { ...page, path: '/scim/v2/Users' }, /says why/],
  [
    'a public page whose path may be any',
    { ...page, path: '/:page', params: z.strictObject({ page: z.string() }) },
    /says why/,
  ],
  ['a public account page without a reason', { ...page, path: '/account', access: { public: '' } }, /has no reason/],
  ['an unknown kind', { ...page, kind: 'magic' }, /kind "magic"/],
  ['an unknown method', { ...json, method: 'BREW' }, /method "BREW"/],
  ['a form that nothing counts', { ...form, limit: undefined }, /names the limit/],
  ['an exemption from limits without a reason', { ...form, limit: { exempt: '' } }, /exemption from limits/],
  ['an unknown limit', { ...form, limit: { policy: 'guess' } }, /limit "guess" is unknown/],
  ['no handler', { ...page, handler: undefined }, /no handler/],
  ['no name', { ...page, name: '' }, /no name/],
  ['a path without a slash', { ...page, path: 'p' }, /slash/],
]

test.each(refused)('refused: %s', (_why, route, sentence) => {
  expect(() => mount(route)).toThrow(sentence)
})

test('a route in a session without a session guard is refused', () => {
  const inSession = { ...page, access: { session: 'any' } } as Route
  expect(() => mountRoutes(createRouter(), [inSession], { ...deps, guards: {} })).toThrow(/nothing checks sessions/)
  expect(() => mount(inSession)).not.toThrow()
})

test('a public route at a guarded path needs a reason, and any other public route does not', () => {
  const reasoned = { ...page, path: '/account/return', access: { public: 'the login returns here' } }
  expect(() => mount(reasoned, { ...page, path: '/accounts', name: 'other' })).not.toThrow()
})

test('two routes with one method and path are refused, whatever the names of their parameters', () => {
  const params = z.strictObject({ id: z.string() })
  expect(() => mount(page, { ...page, name: 'other' })).toThrow(/another route has this method and path/)
  expect(() =>
    mount(
      { ...page, path: '/x/:id', params },
      { ...page, path: '/x/:uid', params: z.strictObject({ uid: z.string() }), name: 'other' },
    ),
  ).toThrow(/another route has this method and path/)
  expect(() => mount(page, { ...page, path: '/other' })).toThrow(/another route has this name/)
})

test('two lists of routes on one router must not overlap', () => {
  const router = createRouter()
  mountRoutes(router, [page as Route], deps)
  expect(() => mountRoutes(router, [{ ...page, name: 'other' } as Route], deps)).toThrow(/another route/)
})

test('every problem is reported at once', () => {
  expect(() => mount({ ...form, csrf: undefined, access: undefined }, { ...page, kind: 'magic' })).toThrow(
    /its access[\s\S]*magic|csrf[\s\S]*magic/,
  )
})

describe('a mounted route', () => {
  let server: TestServer
  beforeAll(async () => {
    const at = (method: 'GET' | 'POST' | 'PUT') =>
      api({
        method,
        path: '/things/:id',
        name: `things.${method}`,
        access: 'public',
        params: z.strictObject({ id: z.string().regex(/^\d+$/) }),
        ...(method === 'GET'
          ? { query: z.strictObject({ page: z.coerce.number().optional() }) }
          : { csrf: { exempt: 'a test' }, body: { schema: z.strictObject({ name: z.string() }) } }),
        handler: (ctx, input) => {
          ctx.body = input
        },
      })
    server = await startTestServer({ routes: () => [at('GET'), at('PUT')] })
  })
  afterAll(() => server.close())

  test('gets the input that its schemas accept', async () => {
    const answer = await fetch(`${server.origin}/things/7`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: '{"name":"x"}',
    })
    expect(await answer.json()).toEqual({ body: { name: 'x' }, params: { id: '7' } })
    expect(await (await fetch(`${server.origin}/things/7?page=2`)).json()).toEqual({
      query: { page: 2 },
      params: { id: '7' },
    })
  })

  test('answers another method with 405 and Allow (RFC 9110 §15.5.6)', async () => {
    for (const method of ['POST', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      const head = (await server.sendRaw(`${method} /things/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).split(
        '\r\n\r\n',
      )[0]
      expect(head).toMatch(/^HTTP\/1\.1 405 /)
      expect(head).toMatch(/^Allow: GET, HEAD, PUT$/m)
    }
  })

  test('is 404 under another spelling, or with a parameter that its schema refuses', async () => {
    for (const path of ['/Things/7', '/things/7/', '/things/x', '/things/%ff', '/things/7%00', '/things/../things/x']) {
      expect((await fetch(server.origin + path)).status).toBe(404)
    }
  })

  test('refuses a query that is unknown, repeated or broken, with 400', async () => {
    for (const query of ['nobody=1', 'page=1&page=2', 'page=%zz', 'page=%ff', 'page=x']) {
      expect((await fetch(`${server.origin}/things/7?${query}`)).status).toBe(400)
    }
  })
})

describe('a mounted route admits', () => {
  const visit = { account: { id: 'one' }, ip: '192.0.2.1', amr: ['pwd'] } as unknown as Visit
  const seen: string[] = []
  let server: TestServer
  beforeAll(async () => {
    const at = <const A extends Access>(path: string, access: A) =>
      api({ method: 'GET', path, name: path, access, handler: (ctx, input) => show(ctx, input) })
    const show = (ctx: Context, input: object) => {
      ctx.body = { input }
    }
    server = await startTestServer({
      guards: {
        session: async (ctx, demand) => {
          seen.push(demand)
          return ctx.get('Session') === 'yes' ? { visit } : { loginUrl: '/login' }
        },
        permission: async (ctx, permission) => {
          if (ctx.get('Permission') !== permission) throw new AppError('csrf_failed', 403)
        },
        client: async (ctx) => {
          if (ctx.get('Client') === '') throw new AppError('csrf_failed', 403)
          return ctx.get('Client')
        },
      },
      routes: () => [
        at('/session', { session: 'recent' }),
        at('/permission', { permission: 'clients:read' }),
        at('/client', { client: 'authenticated' }),
        at('/public', 'public'),
      ],
    })
  })
  afterAll(() => server.close())

  const get = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(server.origin + path, { headers, redirect: 'manual' })
    return { status: answer.status, next: answer.headers.get('Location'), text: await answer.text() }
  }

  test('a session, and gives its handler the visit', async () => {
    expect(await get('/session')).toMatchObject({ status: 303, next: '/login' })
    const { status, text } = await get('/session', { Session: 'yes' })
    expect([status, JSON.parse(text)]).toEqual([200, { input: { visit } }])
    expect(seen).toEqual(['recent', 'recent'])
  })

  test('a permission', async () => {
    expect((await get('/permission')).status).toBe(403)
    expect((await get('/permission', { Permission: 'clients:write' })).status).toBe(403)
    const { status, text } = await get('/permission', { Permission: 'clients:read', Session: 'yes' })
    expect([status, JSON.parse(text)]).toEqual([200, { input: {} }])
  })

  test('a client, and gives its handler the id', async () => {
    expect((await get('/client')).status).toBe(403)
    const { status, text } = await get('/client', { Client: 'app' })
    expect([status, JSON.parse(text)]).toEqual([200, { input: { clientId: 'app' } }])
  })

  test('every request on a public route, and gives its handler no visit', async () => {
    expect(JSON.parse((await get('/public', { Session: 'yes' })).text)).toEqual({ input: {} })
  })
})

test('only the handler of a route in a session can read a visit: the compiler refuses others', () => {
  const route = { path: '/p', name: 'p' }
  pageOf({ ...route, access: { session: 'any' }, handler: (_ctx, { visit }) => void visit.account.id })
  // @ts-expect-error a public route has no visit
  pageOf({ ...route, access: 'public', handler: (_ctx, { visit }) => void visit })
  // @ts-expect-error a permission brings no visit
  pageOf({ ...route, access: { permission: 'clients:read' }, handler: (_ctx, { visit }) => void visit })
  // @ts-expect-error a page takes no body
  pageOf({ ...route, access: 'public', body: { schema }, handler })
  // @ts-expect-error no such permission
  pageOf({ ...route, access: { permission: 'everything:do' }, handler })
})
