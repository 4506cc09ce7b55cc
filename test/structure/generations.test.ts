/** Data of an account carries the account's generation, or is listed here with a reason. */
import { kinds } from '../../src/outbox/kinds/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { listFiles } from './source.ts'

/** Tables that name an account and have no generation, each with its reason. */
const exemptTables: Readonly<Record<string, string>> = {
  artifact_sweep: 'what has ended already: its rows are only deleted',
  audit_event: 'history: it says what happened, and opens nothing',
  consent:
    'what an application may have is not proven by a credential: a reset keeps it, and taking over an account deletes it',
  factor_failure: 'a count of wrong codes in a row: a reset must not give new tries',
  factor_guard: 'a count of wrong codes: a reset must not give new tries',
  factor_history: 'history: which factors the account ever had, kept when they go',
  passkey: 'a factor is added under a lock on the generation, and removed by a reset of the factors',
  recovery_code: 'made with a factor, under the same lock, and removed with it',
  session_detail: 'how a session is shown to its owner; the session itself has the generation',
  totp: 'a factor is added under a lock on the generation, and removed by a reset of the factors',
}

/** Email intents without a generation. */
const exemptIntents: Readonly<Record<string, string>> = {
  registration: 'its link proves the mailbox and wants the browser or the password of the registration as it is then',
  recovery: 'its link is made for the account as it is when the email is sent, and goes to its proven address alone',
  email_changed: 'security notification: always sent',
  password_changed: 'security notification: always sent',
  account_leaving: 'security notification: always sent; the deletion itself is a state of the account',
  account_deleted: 'security notification: the account is gone',
  sign_in_locked: 'security notification: always sent',
  new_browser: 'security notification: always sent',
  factor_added: 'security notification: always sent',
  factor_removed: 'security notification: always sent',
  factor_guessed: 'security notification: always sent',
}

/** Kinds of the outbox. Each intent of the kind `mail` is checked separately. */
const outboxKinds: Readonly<Record<string, string>> = {
  'audit-log': 'history: each event is written once it is committed',
  logout: 'tells a client that a session is over: always sent',
  mail: 'every intent is looked at by itself',
}

/** Columns of `account` that are a state of the account. A reset neither sets nor clears them. */
const accountStates: Readonly<Record<string, string>> = {
  delete_at:
    'a scheduled deletion: recovery neither cancels nor repeats it, and the account page offers to keep the account',
  is_disabled: 'set and lifted by an administrator, each with a new generation',
  is_factor_required: 'set and lifted by an administrator',
}

let store: TestDatabase
beforeAll(async () => {
  store = await createTestDatabase()
})
afterAll(() => store?.close())

/** Tables with an account id, by column name or foreign key, and whether they have a generation. */
async function tablesOfAccounts(): Promise<{ table: string; hasGeneration: boolean }[]> {
  const { rows } = await store.database.knex.raw(`
    SELECT c.table_name AS table, bool_or(c.column_name = 'generation') AS has_generation
    FROM information_schema.columns AS c
    WHERE c.table_schema = 'public'
    GROUP BY c.table_name
    HAVING bool_or(c.column_name ~ '^(account|subject|actor|owner|user|person)_id$|^sub(ject)?$')
      OR EXISTS (
        SELECT 1 FROM information_schema.referential_constraints AS r
        JOIN information_schema.table_constraints AS t ON t.constraint_name = r.constraint_name
        JOIN information_schema.table_constraints AS u ON u.constraint_name = r.unique_constraint_name
        WHERE t.table_name = c.table_name AND u.table_name = 'account')
    ORDER BY c.table_name`)
  return rows.map((row: { table: string; has_generation: boolean }) => ({
    table: row.table,
    hasGeneration: row.has_generation,
  }))
}

const unexplained = async () =>
  (await tablesOfAccounts())
    .filter(({ table, hasGeneration }) => !hasGeneration && !(table in exemptTables))
    .map(({ table }) => table)

/** Every intent in the union of src/email/intent.ts, and whether it carries a generation. */
const intentsIn = (text: string) =>
  [...text.matchAll(/Readonly<\{ mail: '(\w+)';?([^}]*)\}>/g)].map(([, name = '', fields = '']) => ({
    name,
    hasGeneration: /\bgeneration\??: number/.test(fields),
  }))
const bareIntents = (text: string) =>
  intentsIn(text).flatMap(({ name, hasGeneration }) => (hasGeneration || name in exemptIntents ? [] : [name]))

test('every table with an account id has a generation or a listed reason', async () => {
  expect((await tablesOfAccounts()).filter(({ hasGeneration }) => hasGeneration).map(({ table }) => table)).toEqual(
    expect.arrayContaining(['account_link', 'artifact', 'known_browser', 'login_progress', 'remembered_browser']),
  )
  expect(await unexplained()).toEqual([])
})

test('a table without a generation is reported by its column and by its foreign key', async () => {
  const { knex } = store.database
  await knex.raw('CREATE TABLE planted_column (account_id text NOT NULL)')
  await knex.raw('CREATE TABLE planted_key (belongs_to uuid REFERENCES account (id))')
  expect(await unexplained()).toEqual(['planted_column', 'planted_key'])
  await knex.raw('DROP TABLE planted_column, planted_key')
})

test('every exempt table exists, has an account id and has no generation', async () => {
  const without = (await tablesOfAccounts()).filter(({ hasGeneration }) => !hasGeneration).map(({ table }) => table)
  expect(Object.keys(exemptTables).filter((table) => !without.includes(table))).toEqual([])
})

test('every email intent has a generation or a listed reason', () => {
  const [file] = listFiles(['src/email']).filter(({ path }) => path === 'src/email/intent.ts')
  const intents = intentsIn(file!.text)
  expect(intents.length).toBeGreaterThan(10)
  expect(bareIntents(file!.text)).toEqual([])
  const bare = intents.filter(({ hasGeneration }) => !hasGeneration).map(({ name }) => name)
  expect(bare.sort()).toEqual(Object.keys(exemptIntents).sort())
  expect(bareIntents("| Readonly<{ mail: 'planted'; accountId: string }>")).toEqual(['planted'])
})

test('every kind of the outbox is listed', () => {
  expect(kinds.map(({ name }) => String(name)).sort()).toEqual(Object.keys(outboxKinds).sort())
})

test('every state of an account that survives a reset is listed', async () => {
  const { rows } = await store.database.knex.raw(
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'account' AND column_name ~ '^(delete_at|is_(disabled|factor))'",
  )
  expect(rows.map((row: { column_name: string }) => row.column_name).sort()).toEqual(Object.keys(accountStates).sort())
})
