/** The list of factors: each line is complete, and an incomplete one is found. */
import { existsSync } from 'node:fs'
import { z } from 'zod'
import { createSentences } from '../../src/locales.ts'
import type { FactorDefinition, FactorDeps, FactorPart } from '../../src/mfa/method.ts'
import { defineFactor } from '../../src/mfa/method.ts'
import { createMethods, factorList } from '../../src/mfa/methods/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'

let store: TestDatabase
beforeAll(async () => {
  store = await createTestDatabase()
})
afterAll(() => store?.close())

const { has } = createSentences({ isStrict: true })

/** Keys of the catalogue that end with the id of a factor. */
const sentencesOf = ({ isSubstitute, isCounted, enrolment }: FactorDefinition): string[] => [
  'emails.method.',
  'emails.factor.',
  ...(isSubstitute ? [] : ['pages.factorReset.factor.']),
  ...(isCounted ? ['pages.factor.off.', 'pages.own.factors.off.heading.'] : []),
  ...(enrolment?.hasPage ? ['pages.own.factor.title.', 'pages.own.factor.heading.', 'pages.own.factor.lead.'] : []),
]

/** Whether the CHECK constraint of the table's `method` column permits the id of a factor. */
async function isPermitted(table: string, id: string): Promise<boolean> {
  const { rows } = await store.database.knex.raw(
    `SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conrelid = ?::regclass AND conname = ?`,
    [table, `${table}_method_check`],
  )
  return rows[0].text.includes(`'${id}'`)
}

/** Missing parts of a factor that its type cannot require. */
async function problemsOf(factor: FactorDefinition, part: FactorPart): Promise<string[]> {
  const { id, views, enrolment, isSubstitute, isCounted, seals } = factor
  const { knex } = store.database
  const columns = await Promise.all(seals.map(({ table, column }) => knex.schema.hasColumn(table, column)))
  const rules: [boolean, string][] = [
    ...Object.values(views).map((file): [boolean, string] => [!existsSync(file), `no view ${file}`]),
    ...sentencesOf(factor).map((key): [boolean, string] => [!has(key + id), `no sentence ${key}${id}`]),
    ...columns.map((isThere): [boolean, string] => [!isThere, 'no column for what it seals']),
    [isCounted && !(await isPermitted('factor_failure', id)), 'factor_failure refuses its wrong answers'],
    [!!enrolment && !(await isPermitted('factor_history', id)), 'factor_history refuses its enrolment'],
    [!enrolment !== isSubstitute, 'a stand-in is not set up, every other factor is'],
    [!!enrolment && !views.enrol, 'no view to set it up'],
    [!!enrolment && !(part.offer && part.confirm), 'no offer, or nothing that confirms it'],
    [enrolment?.item !== undefined && !part.removeOne, 'nothing removes one of several'],
  ]
  return rules.filter(([isBroken]) => isBroken).map(([, problem]) => problem)
}

const deps: FactorDeps = {
  issuer: 'https://login.example.com',
  get db() {
    return store.database.knex
  },
  sealer: { seal: (plain) => plain, open: (sealed) => sealed },
  deriveKey: () => Buffer.alloc(32),
  serviceName: () => 'Latchkey',
  clock: { now: () => 0 },
  random: { id: () => 'id', token: () => 'token', bytes: (count) => Buffer.alloc(count), integer: (least) => least },
}

test.each(factorList.map((factor) => [factor.id, factor] as const))('%s is complete', async (_, factor) => {
  expect(await problemsOf(factor, factor.create(deps))).toEqual([])
})

test('every factor has its own id and its own paths', () => {
  const ids = factorList.map(({ id }) => id)
  const paths = createMethods(deps).methods.flatMap(({ enrolment }) =>
    enrolment ? Object.values(enrolment.paths) : [],
  )
  for (const names of [ids, paths]) expect(new Set<string>(names).size).toBe(names.length)
})

const part: FactorPart<'pin'> = {
  listAddedAt: async () => [],
  check: async () => false,
  describeOwn: async () => ({}),
  removeAll: async () => {},
}
const rest = {
  id: 'pin',
  level: 'multi_factor',
  isEnoughAlone: false,
  amr: ['pin'],
  isSubstitute: false,
  answer: { pin: z.string() },
  seals: [{ table: 'account', key: 'id', column: 'sealed_pin' }],
  views: { prove: '/nowhere/prove.ejs', own: '/nowhere/own.ejs' },
  scripts: [],
  create: () => part,
} as const

test('a factor without its views, sentences, column or failure counter is reported', async () => {
  const fields = { pin: z.string() }
  const paths = { signIn: 'enrol-pin', account: 'pin' }
  const planted = defineFactor({
    ...rest,
    isCounted: true,
    enrolment: { paths, fields, hasPage: true, item: 'pin' },
  })
  expect(await problemsOf(planted, part)).toEqual([
    'no view /nowhere/prove.ejs',
    'no view /nowhere/own.ejs',
    ...sentencesOf(planted).map((key) => `no sentence ${key}pin`),
    'no column for what it seals',
    'factor_failure refuses its wrong answers',
    'factor_history refuses its enrolment',
    'no view to set it up',
    'no offer, or nothing that confirms it',
    'nothing removes one of several',
  ])
  expect(sentencesOf(planted)).toHaveLength(8)
  expect(await problemsOf(defineFactor({ ...rest, isCounted: true }), part)).toContain(
    'a stand-in is not set up, every other factor is',
  )
})

test('the compiler refuses a factor without a required property, and a part that reads an unknown field', () => {
  // @ts-expect-error It does not say whether wrong answers are counted.
  const silent: FactorDefinition = rest
  const reading = defineFactor({
    ...rest,
    isCounted: true,
    // @ts-expect-error Its form has no field `code`.
    create: () => ({ ...part, check: async (_tx, _owner, { code }) => code !== undefined }),
  })
  expect([silent.id, reading.id]).toEqual(['pin', 'pin'])
})
