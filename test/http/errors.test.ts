/** An error becomes one response in the requested format, without internal details. */
import type { Context } from 'koa'
import { z } from 'zod'
import { AppError, declareError } from '../../src/errors.ts'
import { api, page } from '../../src/http/route.ts'
import type { TestServer } from './support.ts'
import { startTestServer } from './support.ts'

const secret = 'postgres://latchkey:hunter2@10.0.0.5/latchkey'
const failures: Record<string, () => unknown> = {
  error: () => new Error(secret),
  text: () => secret,
  nothing: () => undefined,
  exposed: () => Object.assign(new Error(secret), { status: 500, expose: true }),
  teapot: () => Object.assign(new Error(secret), { status: 418, expose: true }),
  hidden: () => Object.assign(new Error(secret), { status: 404 }),
  known: () => new AppError('csrf_failed', 403, { cause: new Error(secret) }),
  busy: () => new AppError('internal_error', 503, { retryAfterSeconds: 7, cause: new Error(secret) }),
  unnamed: () => new AppError('no_sentence_yet', 503, { cause: new Error(secret) }),
}

let server: TestServer
beforeAll(async () => {
  const failing = (kind: 'page' | 'json') => {
    const route = {
      path: `/${kind}/:failure`,
      name: `failing.${kind}`,
      access: 'public',
      params: z.strictObject({ failure: z.string() }),
      handler: (ctx: Context, { params }: { params: { failure: string } }) => {
        ctx.set('Location', '/elsewhere')
        ctx.set('ETag', '"1"')
        ctx.set('Cache-Control', 'public')
        ctx.body = secret
        throw failures[params.failure]?.()
      },
    } as const
    return kind === 'page' ? page(route) : api({ ...route, method: 'GET' })
  }
  server = await startTestServer({
    routes: () => [failing('page'), failing('json')],
    engine: [
      async (ctx, next) => {
        if (ctx.path === '/token') throw failures[String(ctx.query.failure)]?.()
        await next()
      },
    ],
  })
})
afterAll(() => server.close())

const statuses: [failure: string, status: number][] = [
  ['error', 500],
  ['text', 500],
  ['nothing', 500],
  ['exposed', 500],
  ['teapot', 400],
  ['hidden', 500],
  ['known', 403],
  ['busy', 503],
]

test.each(statuses)('%s: status %i, no internal details, no redirect, no caching', async (failure, status) => {
  for (const kind of ['page', 'json']) {
    const answer = await fetch(`${server.origin}/${kind}/${failure}`, { redirect: 'manual' })
    const text = await answer.text()
    expect(answer.status).toBe(status)
    expect(text).not.toMatch(/hunter2|latchkey:|\.ts\b|\bat .*:\d+/)
    expect(text).toContain(answer.headers.get('X-Request-Id'))
    expect(answer.headers.get('Content-Type')).toMatch(kind === 'page' ? /^text\/html/ : /^application\/json/)
    expect(answer.headers.get('Location')).toBeNull()
    expect(answer.headers.get('ETag')).toBeNull()
    expect(answer.headers.get('Cache-Control')).toBe('no-store')
  }
})

test('503 has a Retry-After header (RFC 9110 §10.2.3)', async () => {
  expect((await fetch(`${server.origin}/json/busy`)).headers.get('Retry-After')).toBe('7')
  expect((await fetch(`${server.origin}/json/unnamed`)).headers.get('Retry-After')).toBe('5')
})

test('the log has the error under the request id of the response', async () => {
  const answer = await fetch(`${server.origin}/json/error`)
  const id = answer.headers.get('X-Request-Id')
  const line = server.logLines().find((entry) => entry.requestId === id && entry.err)
  expect(line).toMatchObject({
    errorCode: 'internal_error',
    level: 'error',
    err: { message: secret, stack: expect.any(String) },
  })
})

test('the response for an unknown path has the requested format: JSON, or a page', async () => {
  const answer = async (accept: string) =>
    (await fetch(`${server.origin}/nothing`, { headers: { Accept: accept } })).headers.get('Content-Type')
  expect(await answer('text/html,application/xhtml+xml,*/*;q=0.8')).toMatch(/^text\/html/)
  expect(await answer('application/json')).toMatch(/^application\/json/)
  expect(await answer('*/*')).toMatch(/^application\/json/)
  expect(await answer('nonsense')).toMatch(/^application\/json/)
})

test('JSON errors on the engine’s paths have the error codes and the characters of RFC 6749 §5.2', async () => {
  const body = async (failure: string) => (await fetch(`${server.origin}/token?failure=${failure}`)).json()
  expect(await body('teapot')).toMatchObject({ error: 'invalid_request', code: 'request_malformed' })
  expect(await body('busy')).toMatchObject({ error: 'temporarily_unavailable' })
  const { error, error_description: description } = (await body('error')) as Record<string, string>
  expect(error).toBe('server_error')
  expect(description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
})

test('a second declaration of an error code throws', () => {
  expect(() => declareError('csrf_failed', 403)).toThrow(/twice/)
})
