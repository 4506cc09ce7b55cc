/** Endpoints and grants are one list each: rows are complete, and no other file names them. */
import { models } from '../../adapters/index.ts'
import type { Endpoint } from '../../src/oidc/endpoint.ts'
import { endpoints } from '../../src/oidc/endpoints.ts'
import type { Grant } from '../../src/oidc/grants/grant.ts'
import { grants } from '../../src/oidc/grants/index.ts'
import type { SourceFile } from './source.ts'
import { listFiles } from './source.ts'

const source = listFiles(['src', 'adapters', 'keys'])

/** Matching lines of code without comments, as `path:line`. */
const findLines = (files: readonly SourceFile[], pattern: RegExp): string[] =>
  files.flatMap(({ path, text }) =>
    text
      .split('\n')
      .map((line, index) => ({ line: line.replace(/(^|\s)(\/\/|\/?\*).*$/, ''), at: `${path}:${index + 1}` }))
      .filter(({ line }) => pattern.test(line))
      .map(({ at }) => at),
  )
const plant = (text: string): SourceFile[] => [{ path: 'src/planted.ts', text }]

// `npm run check` compiles this file: an unused `@ts-expect-error` is an error itself.
test('a row of the table without a limit, or with an unknown one, does not compile', () => {
  // @ts-expect-error: the row has no limit.
  const withoutLimit: Endpoint = {
    name: 'planted',
    path: '/planted',
    methods: ['POST'],
    cors: 'none',
    caller: 'client',
    errors: 'oauth',
    isPostMadeGet: false,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  }
  // @ts-expect-error: no policy has this name.
  const unknownPolicy: Endpoint['limit'] = { policy: 'planted', by: 'ip' }
  // @ts-expect-error: an exemption has a reason.
  const withoutReason: Endpoint['limit'] = {}
  expect([withoutLimit, unknownPolicy, withoutReason]).toHaveLength(3)
})

test('a grant without a limit, or without the artifact that it spends, does not compile', () => {
  // @ts-expect-error: the grant has no limit.
  const withoutLimit: Grant = {
    type: 'urn:example:planted',
    handler: { features: {} },
    spends: { model: 'AuthorizationCode', parameter: 'code' },
    before: 'nothing',
    after: 'nothing',
  }
  // @ts-expect-error: the grant does not say what it spends.
  const withoutSpending: Grant = {
    type: 'urn:example:planted',
    handler: { features: {} },
    limit: { none: 'planted' },
    before: 'nothing',
    after: 'nothing',
  }
  expect([withoutLimit, withoutSpending]).toHaveLength(2)
})

/** Problems in the two lists that the compiler cannot find. */
function problemsOf(rows: readonly Endpoint[], list: readonly Grant[]): string[] {
  const reasons = [
    ...rows.map(({ path, limit }) => ({ of: path, reason: 'none' in limit ? limit.none : undefined })),
    ...list.map(({ type, limit }) => ({ of: type, reason: 'none' in limit ? limit.none : undefined })),
    ...list.map(({ type, spends }) => ({ of: type, reason: 'none' in spends ? spends.none : undefined })),
  ]
  const isTwice = (names: readonly string[]) => names.filter((name, index) => names.indexOf(name) !== index)
  return [
    ...reasons.filter(({ reason }) => reason?.trim() === '').map(({ of }) => `${of} gives no reason`),
    ...isTwice([...rows.map(({ path }) => path), ...rows.map(({ name }) => name), ...list.map(({ type }) => type)]).map(
      (name) => `${name} is listed twice`,
    ),
    ...list
      .filter(({ spends }) => 'model' in spends && models[spends.model].spentAs !== 'source')
      .map(({ type }) => `${type} spends what no store spends`),
    ...list
      .filter(({ limit, spends }) => 'by' in limit && limit.by === 'grant' && 'none' in spends)
      .map(({ type }) => `${type} is counted by what it does not spend`),
    ...rows
      .filter(({ isPostMadeGet, methods }) => isPostMadeGet && !(methods.includes('POST') && methods.includes('GET')))
      .map(({ path }) => `${path} has no GET that a POST becomes`),
    ...rows
      .filter(({ cors, methods }) => (cors === 'none') === methods.includes('OPTIONS'))
      .map(({ path }) => `${path} answers preflights or scripts, but not both`),
  ]
}

test('the rows do not contradict themselves or one another', () => {
  expect(problemsOf(endpoints, grants)).toEqual([])
  const planted: Endpoint = {
    name: 'token',
    path: '/planted',
    methods: ['POST'],
    cors: 'client',
    caller: 'client',
    limit: { none: ' ' },
    errors: 'oauth',
    isPostMadeGet: true,
    formOrigin: 'any',
    cache: 'never',
    opener: 'isolated',
  }
  expect(problemsOf([...endpoints, planted], grants)).toEqual([
    '/planted gives no reason',
    'token is listed twice',
    '/planted has no GET that a POST becomes',
    '/planted answers preflights or scripts, but not both',
  ])
  const grant: Grant = {
    type: 'refresh_token',
    handler: { features: {} },
    spends: { model: 'Session', parameter: 'session' },
    limit: { none: '' },
    before: 'nothing',
    after: 'nothing',
  }
  const uncounted: Grant = {
    type: 'urn:example:planted',
    handler: { features: {} },
    spends: { none: 'nothing' },
    limit: { policy: 'token', by: 'grant' },
    before: 'nothing',
    after: 'nothing',
  }
  expect(problemsOf(endpoints, [...grants, grant, uncounted])).toEqual([
    'refresh_token gives no reason',
    'refresh_token is listed twice',
    'refresh_token spends what no store spends',
    'urn:example:planted is counted by what it does not spend',
  ])
})

test('every grant has its own file', () => {
  const around = ['grant.ts', 'index.ts', 'steps.ts'].map((name) => `src/oidc/grants/${name}`)
  const files = listFiles(['src/oidc/grants']).filter(({ path }) => !around.includes(path))
  const types = files.map(({ text }) => /^ {2}type: '(.+)',$/m.exec(text)?.[1])
  expect(types.sort()).toEqual(grants.map(({ type }) => type).sort())
})

test('the path of an endpoint appears only in the table', () => {
  const paths = endpoints.map(({ path }) => path.replace('/:uid', '').replaceAll('.', '\\.'))
  const pattern = new RegExp(`['"\`](${paths.join('|')})['"\`/?]`)
  expect(findLines(plant("if (ctx.path === '/token') return"), pattern)).toHaveLength(1)
  expect(findLines(plant("const own = new Set(['/.well-known/openid-configuration'])"), pattern)).toHaveLength(1)
  const others = source.filter(({ path }) => path !== 'src/oidc/endpoints.ts')
  expect(findLines(others, pattern)).toEqual([])
})

test('no code compares the name of a grant: the differences are in the file of the grant', () => {
  const types = [...grants.map(({ type }) => type), 'urn:[\\w:-]+'].join('|')
  const pattern = new RegExp(`(?:[!=]==?|case) '(?:${types})'`)
  expect(findLines(plant("if (name === 'client_credentials') refuse(ctx)"), pattern)).toHaveLength(1)
  expect(findLines(plant("case 'refresh_token':"), pattern)).toHaveLength(1)
  const protocol = source.filter(({ path }) => path.startsWith('src/oidc/') || path.startsWith('adapters/'))
  expect(findLines(protocol, pattern)).toEqual([])
})
