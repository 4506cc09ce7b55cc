/**
 * No row that names an account or a client outlives it by mistake: a cascade removes it, or a list
 * says what does.
 */
import { identifyingColumns } from '../../src/revocation/identifying-columns.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'

let store: TestDatabase
beforeAll(async () => {
  store = await createTestDatabase()
})
afterAll(() => store?.close())

/**
 * Columns of `public` with such an id, by their name or by a foreign key, that no cascade covers.
 */
async function columnsWithoutCascade(): Promise<string[]> {
  const { rows } = await store.database.knex.raw(`
    WITH reference AS (
      SELECT c.conrelid, unnest(c.conkey) AS attnum, c.confdeltype = 'c' AS cascades
      FROM pg_constraint AS c
      WHERE c.contype = 'f' AND c.confrelid IN ('account'::regclass, 'client'::regclass))
    SELECT c.table_name || '.' || c.column_name AS name
    FROM information_schema.columns AS c
    JOIN information_schema.tables AS t USING (table_schema, table_name)
    JOIN pg_attribute AS a ON a.attrelid = format('%I.%I', c.table_schema, c.table_name)::regclass AND a.attname = c.column_name
    LEFT JOIN reference AS r ON r.conrelid = a.attrelid AND r.attnum = a.attnum
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name <> 'client'
      AND (r.conrelid IS NOT NULL OR c.column_name ~ '^(account|client|subject|actor|owner|user|person)_id$|^sub(ject)?$')
    GROUP BY c.table_name, c.column_name
    HAVING NOT coalesce(bool_and(r.cascades), false)
    ORDER BY name`)
  return rows.map(({ name }: { name: string }) => name)
}

const listed = identifyingColumns.flatMap(({ table, columns }) => columns.map((column) => `${table}.${column}`))

test('every identifying column has a cascade, or a listed reason', async () => {
  expect(await columnsWithoutCascade()).toEqual(listed.toSorted())
  for (const { reason } of identifyingColumns) expect(reason).not.toBe('')
})

test('a column without a cascade is reported by its name and by its foreign key', async () => {
  const { knex } = store.database
  await knex.raw(`
    CREATE TABLE planted_name (client_id text NOT NULL);
    CREATE TABLE planted_key (belongs_to uuid REFERENCES account (id));
    CREATE TABLE planted_restricted (account_id uuid REFERENCES account (id) ON DELETE RESTRICT);
    CREATE TABLE planted_cascade (account_id uuid REFERENCES account (id) ON DELETE CASCADE)`)
  const planted = (await columnsWithoutCascade()).filter((name) => name.startsWith('planted_'))
  expect(planted).toEqual(['planted_key.belongs_to', 'planted_name.client_id', 'planted_restricted.account_id'])
  await knex.raw('DROP TABLE planted_name, planted_key, planted_restricted, planted_cascade')
})
