/** Every file follows the import table, and each of its rules refuses a planted violation. */
import { findCycle, listViolations, rowOf, table } from './import-table.ts'
import { listFiles, listImports } from './source.ts'

const files = listFiles(['src', 'adapters', 'keys', 'migrations'])

test('every file imports only what its row of the table allows', () => {
  expect(files.flatMap((file) => listViolations(file))).toEqual([])
})

test('imports of values have no cycle', () => {
  expect(findCycle(new Map(files.map((file) => [file.path, listImports(file)])))).toBeUndefined()
})

const planted: [row: string, path: string, text: string][] = [
  ['entry', 'src/login/index.ts', "import { createMfaFeature } from '../mfa/index.ts'"],
  ['entry', 'src/login/index.ts', "import { accountRoutes } from '../account/routes.ts'"],
  ['entry', 'src/login/index.ts', "import { createDatabase } from '../database/database.ts'"],
  ['entry', 'src/limits/index.ts', "import { prefixesOf } from '../http/address.ts'"],
  ['routes', 'src/login/routes.ts', "import { createSignIn } from './service.ts'"],
  ['routes', 'src/login/routes.ts', "import { findAccount } from './repository.ts'"],
  ['routes', 'src/login/routes.ts', "import { passwordTooLong } from '../passwords/errors.ts'"],
  ['routes', 'src/login/routes.ts', "import Router from '@koa/router'"],
  ['repository', 'src/accounts/repository.ts', "import { createClients } from '../clients/service.ts'"],
  ['repository', 'src/accounts/repository.ts', "import pg from 'pg'"],
  ['repository', 'src/accounts/repository.ts', "import { notFound } from '../errors.ts'"],
  ['service', 'src/accounts/service.ts', "import { insertAuditEvent } from '../audit/repository.ts'"],
  ['service', 'src/accounts/service.ts', "import { createAudit } from '../audit/service.ts'"],
  ['service', 'src/accounts/service.ts', "import { accountRoutes } from './routes.ts'"],
  ['service', 'src/accounts/service.ts', "import { createApp } from '../app.ts'"],
  ['service', 'src/accounts/service.ts', "import { createParts } from '../compose/parts.ts'"],
  ['service', 'src/accounts/service.ts', "import { Provider } from 'oidc-provider'"],
  ['service', 'src/passwords/hasher.ts', "import knex from 'knex'"],
  ['oidc', 'src/oidc/provider.ts', "import { createAccounts } from '../accounts/service.ts'"],
  ['oidc', 'src/oidc/provider.ts', "import { page } from '../http/route.ts'"],
  ['adapters', 'adapters/index.ts', "import { declareError } from '../src/errors.ts'"],
  ['adapters', 'adapters/index.ts', "import { createSealer } from '../keys/sealer.ts'"],
  ['adapters', 'adapters/index.ts', "import koa from 'koa'"],
  ['keys', 'keys/key-ring.ts', "import { systemClock } from '../src/clock.ts'"],
  ['keys', 'keys/key-ring.ts', "import { createArtifactStore } from '../adapters/index.ts'"],
  ['migrations', 'migrations/0001_key_ring.ts', "import { states } from '../keys/states.ts'"],
  ['database', 'src/database/migrate.ts', "import { account } from '../../migrations/0003_account.ts'"],
  ['doctor', 'src/doctor/checks.ts', "import { table } from '../cli/output.ts'"],
  ['doctor', 'src/doctor/probes.ts', "import { createParts } from '../compose/parts.ts'"],
  ['service', 'src/doctor/verdicts.ts', "import { createOutbound } from '../outbound/service.ts'"],
  ['leaves', 'src/clock.ts', "import { createDatabase } from './database/database.ts'"],
  ['leaves', 'src/clock.ts', "export { createDatabase } from './database/database.ts'"],
  ['leaves', 'src/clock.ts', "export const late = () => import('./compose/parts.ts')"],
]

test.each(planted)('the row "%s" refuses in %s: %s', (row, path, text) => {
  expect(rowOf(path).from).toBe(row)
  expect(listViolations({ path, text })).toHaveLength(1)
})

test('every row but the composition has a planted violation', () => {
  const rows = table.map(({ from }) => from).filter((from) => from !== 'composition')
  expect(rows.filter((row) => !planted.some(([from]) => from === row))).toEqual([])
})

test('types may be imported from everywhere, because they do not exist at run time', () => {
  const text = "import type { Audit } from '../audit/service.ts'\nexport type { Account } from '../accounts/account.ts'"
  expect(listViolations({ path: 'src/login/routes.ts', text })).toEqual([])
})

test('an import of a type together with values counts as an import', () => {
  const text = "import { type Audit } from '../audit/service.ts'"
  expect(listViolations({ path: 'src/login/routes.ts', text })).toHaveLength(1)
})

test('a cycle is reported with its files', () => {
  const file = (target: string) => [{ target, isPackage: false }]
  const circle = new Map([
    ['src/a.ts', file('src/b.ts')],
    ['src/b.ts', file('src/c.ts')],
    ['src/c.ts', file('src/b.ts')],
  ])
  expect(findCycle(circle)).toEqual(['src/b.ts', 'src/c.ts', 'src/b.ts'])
})
