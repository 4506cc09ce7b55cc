/**
 * The reference lists exactly the metrics, audit actions, settings and protocol endpoints of the
 * code.
 * Error codes, environment variables and the other routes are compared in error-codes.test.ts,
 * test/config/variables.test.ts and test/http/access.test.ts.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { auditActions } from '../../src/audit/actions.ts'
import { signInRefusals } from '../../src/audit/sign-in-refusals.ts'
import { endpoints } from '../../src/oidc/endpoints.ts'
import { settingDefinitions } from '../../src/settings/definitions.ts'
import { routeRowOf, routeRowsIn } from './route-rows.ts'
import { listFiles, root } from './source.ts'

const readPage = (name: string) => readFileSync(path.join(root, 'docs/reference', name), 'utf8')
const server = listFiles(['src', 'adapters', 'keys'])

type Metric = { name: string; type: string; labels: string[] }
const byName = (a: Metric, b: Metric) => (a.name < b.name ? -1 : 1)

const quoted = (list: string, quote: string): string[] =>
  [...list.matchAll(new RegExp(`${quote}([a-z_]+)${quote}`, 'g'))].map(([, name = '']) => name)

/** Every metric with a literal name, by the constructor call that creates it. */
function metricsIn(text: string): Metric[] {
  return [...text.matchAll(/new (Counter|Gauge|Histogram|Summary)(?:<[^>]*>)?\(\{([\s\S]*?)\n\s*\}\)/g)].map(
    ([, type = '', body = '']) => ({
      name: /\bname: '([a-z_]+)'/.exec(body)?.[1] ?? 'without a literal name',
      type: type.toLowerCase(),
      labels: quoted(/labelNames: \[([^\]]*)\]/.exec(body)?.[1] ?? '', "'"),
    }),
  )
}

const documented = (page: string): Metric[] =>
  [...page.matchAll(/^\| `([a-z_]+)` +\| ([a-z]+) +\| ([^|]*)\| \S/gm)].map(
    ([, name = '', type = '', labels = '']) => ({ name, type, labels: quoted(labels, '`') }),
  )

test('docs/reference/metrics.md has every metric with its type and labels, in order, and no other', () => {
  const planted = "new Counter({\n  name: 'latchkey_planted_total',\n  labelNames: ['kind', 'outcome'],\n})"
  expect(metricsIn(planted)).toEqual([{ name: 'latchkey_planted_total', type: 'counter', labels: ['kind', 'outcome'] }])
  const made = server.flatMap(({ text }) => metricsIn(text))
  expect(made).toHaveLength(
    server.flatMap(({ text }) => text.match(/\bnew (Counter|Gauge|Histogram|Summary)\b/g) ?? []).length,
  )
  expect(documented(readPage('metrics.md'))).toEqual(made.sort(byName))
})

test('docs/reference/audit-actions.md has every action, in the order of the catalogue, and no other', () => {
  const rows = [...readPage('audit-actions.md').matchAll(/^\| `([a-z_]+\.[a-z_]+)` +\| \S/gm)].map(([, name]) => name)
  expect(rows).toEqual([...auditActions])
})

test('docs/reference/audit-actions.md has every reason for a refused sign-in, in the order of the list, and no other', () => {
  const [, reasons = ''] = readPage('audit-actions.md').split('## Why a sign-in was refused')
  expect([...reasons.matchAll(/^\| `([a-z_]+)` +\| \S/gm)].map(([, name]) => name)).toEqual([...signInRefusals])
})

const accessOfCaller = { anyone: 'anyone', client: 'client', bearer: 'access token', browser: 'browser' } as const

test('docs/reference/routes.md has every protocol endpoint with its methods, caller and limit, and no other', () => {
  const [, part = ''] = readPage('routes.md').split('## Protocol endpoints')
  expect(routeRowsIn(part)).toEqual(
    endpoints.map(({ path: at, methods, caller, limit }) => [
      at,
      methods.join(', '),
      accessOfCaller[caller],
      'policy' in limit ? `\`${limit.policy}\`` : 'none',
    ]),
  )
})

test('a route without a row, or with a different row, is reported', () => {
  const page = '| `/planted` | GET | public | none | A page. |\n| `/other` | GET | public | none |  |\n'
  expect(routeRowsIn(page)).toEqual([['/planted', 'GET', 'public', 'none']])
  const route = { method: 'GET', path: '/planted', access: 'public' } as const
  expect(routeRowOf(route)).toEqual(['/planted', 'GET', 'public', 'none'])
  expect(routeRowOf({ ...route, limit: { policy: 'link' } })).not.toEqual(routeRowsIn(page)[0])
})

/** Actions of the catalogue that no code writes. */
const reserved: readonly string[] = ['migration.applied']

test('code writes every action of the catalogue, except the reserved ones', () => {
  const code = server.filter(({ path: file }) => file !== 'src/audit/actions.ts').map(({ text }) => text)
  const unused = auditActions.filter((action) => !code.some((text) => text.includes(`'${action}'`)))
  expect(unused).toEqual(reserved)
})

test('docs/reference/settings.md has every setting with its type, default and values, in order, and no other', () => {
  const rows = [...readPage('settings.md').matchAll(/^\| `(\w+)` +\| (\w+) +\| (\S+) +\| ([^|]+?) +\| \S/gm)]
  const valuesOf = (definition: (typeof settingDefinitions)['serviceName']): string => {
    if (definition.type === 'text') return `at most ${definition.maximumLength} characters`
    if (definition.type !== 'choice') return `${definition.min} to ${definition.max}`
    return definition.choices.map((choice) => `\`${choice}\``).join(', ')
  }
  expect(rows.map(([, key, type, standard, values]) => [key, type, standard, values])).toEqual(
    Object.entries(settingDefinitions).map(([key, definition]) => {
      const standard = typeof definition.default === 'number' ? String(definition.default) : `\`${definition.default}\``
      return [key, definition.type, standard, valuesOf(definition)]
    }),
  )
})
