/** A body that is mistyped, too large or malformed is refused with the standard's status. */
import { request as httpRequest } from 'node:http'
import { z } from 'zod'
import { formType, guardBodies, parseFields } from '../../src/http/body.ts'
import { limitParameters } from '../../src/http/parameters.ts'
import { api } from '../../src/http/route.ts'
import type { TestServer } from './support.ts'
import { startTestServer } from './support.ts'

const json = 'application/json'
const urlencoded = 'application/x-www-form-urlencoded'
const limit = 56 * 1024

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    routes: () => [
      api({
        method: 'POST',
        path: '/json',
        name: 'json',
        access: 'public',
        csrf: { exempt: 'a test' },
        body: { schema: z.strictObject({ text: z.string(), deep: z.unknown().optional() }) },
        handler: (ctx, { body }) => {
          ctx.body = { length: body.text.length }
        },
      }),
    ],
    engine: [
      limitParameters(),
      guardBodies({ types: [formType] }),
      async (ctx) => {
        const chunks: Buffer[] = []
        for await (const chunk of ctx.req) chunks.push(chunk as Buffer)
        ctx.body = Buffer.concat(chunks).toString()
      },
    ],
  })
})
afterAll(() => server.close())

async function post(
  path: string,
  type: string | undefined,
  body: string | Buffer,
  headers: Record<string, string> = {},
) {
  const all = { ...(type && { 'Content-Type': type }), ...headers }
  const answer = await fetch(server.origin + path, {
    method: 'POST',
    headers: all,
    body: new Uint8Array(Buffer.from(body)),
  })
  return { status: answer.status, error: ((await answer.json()) as { error?: string }).error }
}

test('JSON in UTF-8 is accepted', async () => {
  expect((await post('/json', json, '{"text":"x"}')).status).toBe(200)
  expect((await post('/json', 'Application/JSON; charset="UTF-8"', '{"text":"\u{1F511}"}')).status).toBe(200)
})

const refused: [
  what: string,
  type: string | undefined,
  body: string | Buffer,
  headers: Record<string, string>,
  status: number,
  error: string,
][] = [
  ['JSON called text', 'text/plain', '{"text":"x"}', {}, 415, 'media_type_unsupported'],
  ['JSON called nothing', undefined, '{"text":"x"}', {}, 415, 'media_type_unsupported'],
  ['a form', urlencoded, 'text=x', {}, 415, 'media_type_unsupported'],
  ['a type that only begins right', 'application/jsonp', '{}', {}, 415, 'media_type_unsupported'],
  ['an upload', 'multipart/form-data; boundary=x', '--x--', {}, 415, 'media_type_unsupported'],
  ['two types', 'text/plain, application/json', '{}', {}, 415, 'media_type_unsupported'],
  ['another charset', 'application/json; charset=utf-16', '{}', {}, 415, 'media_type_unsupported'],
  ['a compressed body', json, '{}', { 'Content-Encoding': 'gzip' }, 415, 'content_encoding_unsupported'],
  ['57 KiB', json, JSON.stringify({ text: 'x'.repeat(57 * 1024) }), {}, 413, 'body_too_large'],
  ['bytes that are not UTF-8', json, Buffer.from('{"text":"\xff"}', 'latin1'), {}, 400, 'request_malformed'],
  ['broken JSON', json, '{"text":', {}, 400, 'request_malformed'],
  ['nothing', json, '', {}, 400, 'fields_invalid'],
  ['null', json, 'null', {}, 400, 'fields_invalid'],
  ['a list', json, '[]', {}, 400, 'fields_invalid'],
  ['an unknown member', json, '{"text":"x","role":"admin"}', {}, 400, 'fields_invalid'],
  ['a member called __proto__', json, '{"text":"x","__proto__":{"isAdmin":true}}', {}, 400, 'request_malformed'],
  ['a NUL', json, '{"text":"\\u0000"}', {}, 400, 'request_malformed'],
  ['half a character', json, '{"text":"\\ud800"}', {}, 400, 'request_malformed'],
  [
    'brackets without end',
    json,
    `{"text":"x","deep":${'['.repeat(25_000)}${']'.repeat(25_000)}}`,
    {},
    400,
    'request_malformed',
  ],
]

test.each(refused)('refused: %s', async (_what, type, body, headers, status, error) => {
  expect(await post('/json', type, body, headers)).toEqual({ status, error })
})

test('a body of exactly the limit is accepted, one more byte is 413', async () => {
  const frame = '{"text":""}'.length
  expect((await post('/json', json, `{"text":"${'x'.repeat(limit - frame)}"}`)).status).toBe(200)
  expect((await post('/json', json, `{"text":"${'x'.repeat(limit - frame + 1)}"}`)).status).toBe(413)
})

test('a body without a length is refused at the limit', async () => {
  const status = await new Promise<number>((resolve, reject) => {
    const sent = httpRequest(
      `${server.origin}/json`,
      { method: 'POST', headers: { 'Content-Type': json } },
      (answer) => {
        resolve(answer.statusCode ?? 0)
        answer.resume()
        sent.destroy()
      },
    )
    sent.on('error', reject)
    const more = () => {
      while (!sent.destroyed && sent.write('x'.repeat(16 * 1024)));
      if (!sent.destroyed) sent.once('drain', more)
    }
    more()
  })
  expect(status).toBe(413)
})

test('a form with invalid escapes, invalid UTF-8 or a repeated field is refused', () => {
  expect(parseFields('a=1+2&b=%C3%A9&c&=d&')).toEqual({ a: '1 2', b: 'é', c: '', '': 'd' })
  for (const text of ['a=%', 'a=%zz', 'a=%ff', 'a=%C3', '%ff=a', 'a=%00', 'a=1&a=2', 'a=1&%61=2', 'x&'.repeat(300)]) {
    expect(() => parseFields(text)).toThrow()
  }
  expect(Object.keys(parseFields('__proto__=x&constructor=y'))).toEqual(['__proto__', 'constructor'])
  expect(Object.getPrototypeOf(parseFields('__proto__=x'))).toBe(Object.prototype)
})

describe('in front of the engine', () => {
  test('a body is refused by its headers, and otherwise passed on unread', async () => {
    expect(await post('/token', json, '{}')).toMatchObject({ status: 415, error: 'invalid_request' })
    expect(await post('/token', urlencoded, `a=${'x'.repeat(57 * 1024)}`)).toMatchObject({
      status: 413,
      error: 'invalid_request',
    })
    const answer = await fetch(`${server.origin}/token`, { method: 'POST', body: new URLSearchParams({ a: '1' }) })
    expect(await answer.text()).toBe('a=1')
  })

  const lengths: [parameter: string, length: number][] = [
    ['state', 4000],
    ['scope', 1000],
    ['request', 16_000],
    ['claims', 16_000],
    ['id_token_hint', 16_000],
    ['constructor', 4000],
  ]
  test.each(lengths)('%s has at most %i characters', async (parameter, length) => {
    const status = async (text: string) => (await fetch(`${server.origin}/authorize?${parameter}=${text}`)).status
    expect(await status('x'.repeat(length))).toBe(200)
    expect(await status('x'.repeat(length + 1))).toBe(400)
  })

  test('5,000 scopes are refused, and so is a query that is not UTF-8', async () => {
    expect((await fetch(`${server.origin}/authorize?scope=${'a+'.repeat(5000)}`)).status).toBe(400)
    expect((await fetch(`${server.origin}/authorize?state=%ff`)).status).toBe(400)
    expect((await fetch(`${server.origin}/authorize?resource=a&resource=b`)).status).toBe(200)
  })
})
