/** Folders have an order: there is no import cycle between them, types included. */
import { allowedCycles, folderOf, listFolderCycles, listTargets } from './folder-cycles.ts'
import { listFiles } from './source.ts'

const files = listFiles(['src', 'adapters', 'keys', 'migrations'])
const namesOf = (folders: readonly string[]) => folders.join(' ')

test('no folders import from one another, types included', () => {
  const allowed = allowedCycles.map(({ folders }) => namesOf(folders))
  expect(listFolderCycles(files).filter(({ folders }) => !allowed.includes(namesOf(folders)))).toEqual([])
})

test('each allowed cycle exists and has a reason', () => {
  const found = listFolderCycles(files).map(({ folders }) => namesOf(folders))
  expect(allowedCycles.filter(({ folders, reason }) => reason === '' || !found.includes(namesOf(folders)))).toEqual([])
})

const plant = (path: string, text: string) => ({ path, text })

test.each([
  ['types', "import type { Factors } from '../mfa/service.ts'"],
  ['a type in place', "type Factors = import('../mfa/service.ts').Factors"],
  ['types that are passed on', "export type { Factors } from '../mfa/service.ts'"],
  ['values', "import { createFactors } from '../mfa/service.ts'"],
  ['values on first use', "export const load = () => import('../mfa/service.ts')"],
])('a cycle between folders is refused: %s', (_, text) => {
  const planted = [
    plant('src/login/finish.ts', text),
    plant('src/mfa/routes.ts', "import type { FinishLogin } from '../login/finish.ts'"),
  ]
  expect(listFolderCycles(planted)).toEqual([
    {
      folders: ['src/login', 'src/mfa'],
      imports: ['src/login/finish.ts → src/mfa/service.ts', 'src/mfa/routes.ts → src/login/finish.ts'],
    },
  ])
})

test('a cycle over several folders is refused, and names the folders on it only', () => {
  const planted = [
    plant('src/account/frame.ts', "import type { Consents } from '../consents/service.ts'"),
    plant('src/consents/service.ts', "import type { Interactions } from '../oidc/interaction.ts'"),
    plant('src/oidc/interaction.ts', "import type { AccountClient } from '../account/client.ts'"),
    plant('src/planted.ts', "import { frameOf } from './account/frame.ts'"),
  ]
  expect(listFolderCycles(planted).map(({ folders }) => folders)).toEqual([['src/account', 'src/consents', 'src/oidc']])
})

test('files of one folder may import from one another', () => {
  const planted = [plant('src/login/a.ts', "import './b.ts'"), plant('src/login/b.ts', "import './a.ts'")]
  expect(listFolderCycles(planted)).toEqual([])
})

test('a feature is its folder in src with all subfolders', () => {
  expect(folderOf('src/mfa/methods/totp/method.ts')).toBe('src/mfa')
  expect(folderOf('adapters/postgres/reads.ts')).toBe('adapters')
  expect(folderOf('src/planted.ts')).toBe('src/planted.ts')
  expect(listTargets(plant('src/mfa/methods/totp/method.ts', "import '../../step.ts'"))).toEqual(['src/mfa/step.ts'])
})
