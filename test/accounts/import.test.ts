/** Importing accounts: batches, bad lines, resuming after an interruption, and the export. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { createAccountImport } from '../../src/accounts/import.ts'
import { readLines } from '../../src/cli/lines.ts'
import { problemOfImportedHash } from '../../src/passwords/hasher.ts'
import { systemRandom } from '../../src/random.ts'
import type { Ran } from '../cli/command-line.ts'
import { runCommand } from '../cli/command-line.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestFolder } from '../support/folders.ts'
import { says } from '../support/sentences.ts'
import type { Setup } from './setup.ts'
import { createSetup, operator } from './setup.ts'

const folder = createTestFolder()
const lines = (...documents: unknown[]) =>
  documents.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n')

function fileWith(name: string, content: string | Buffer): string {
  const file = path.join(folder, name)
  writeFileSync(file, content)
  return file
}

describe('latchkey user import', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase()
  })
  afterAll(() => database.close())

  const run = (args: readonly string[], stdin?: string): Promise<Ran> =>
    runCommand(args, {
      env: { NODE_ENV: 'test', DATABASE_URL: database.url, MASTER_KEY: '1f'.repeat(32), DATA_FOLDER: folder },
      ...(stdin !== undefined && { stdin }),
    })
  const account = (email: string) => database.database.knex('account').where({ email_key: email }).first()

  test('imports valid lines, reports each invalid line by its number and stores it, and counts existing accounts', async () => {
    const id = crypto.randomUUID()
    const bcrypt = '$2b$10$abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQ'
    const good = {
      id,
      email: 'Grace@Example.com',
      email_verified: true,
      name: 'Grace Hopper',
      locale: 'en-US',
      disabled: true,
      address: { country: 'US' },
      roles: ['admiral'],
      password_hash: bcrypt,
      created_at: '2020-02-03T04:05:06Z',
    }
    const file = fileWith(
      'people.jsonl',
      Buffer.concat([
        Buffer.from(
          `${lines(
            good,
            '{"email": "broken',
            { email: 'nobody' },
            '',
            { email: 'a@example.com', nmae: 'Typo' },
            { email: 'b@example.com', name: 'x'.repeat(201), password_hash: 'md5:123' },
            { email: 'GRACE@example.com' },
            { email: 'same-id@example.com', id },
            '[1]',
            { email: 'c@example.com', id: 'not-a-uuid', disabled: 'no', created_at: 'yesterday' },
            { email: 'turned@example.com', name: 'Eve \u202Eecila' },
            `{"email": "long@example.com", "name": "${'x'.repeat(300_000)}"}`,
          )}\n`,
        ),
        Buffer.from('{"email": "latin1@example.com", "name": "Zo\xeb"}\n', 'latin1'),
        Buffer.from(
          lines({
            email: 'last@example.com',
            password_hash: '$pbkdf2-sha256$i=600000$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA',
          }),
        ),
      ]),
    )
    const imported = await run(['user', 'import', file, '--json'])
    expect(imported.code).toBe(1)
    expect(imported.json()).toEqual({ read: 14, imported: 2, existing: 2, refused: 9, rejects: `${file}.rejected` })
    const told = imported.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(
      told.map(
        ({ line, problems }) =>
          `${line} ${problems.map((one: { path: string; code: string }) => `${one.path}:${one.code}`).join(' ')}`,
      ),
    ).toEqual([
      '2 :not_json_object',
      '3 email:not_email',
      '5 nmae:unknown_key',
      '6 name:not_text password_hash:hash_unknown',
      '7 :account_exists',
      '8 :account_exists',
      '9 :not_json_object',
      '10 id:not_uuid disabled:not_boolean created_at:not_moment',
      '11 name:not_text',
      '12 :line_unreadable',
      '13 :line_unreadable',
    ])
    expect(await account('grace@example.com')).toMatchObject({
      id,
      email: 'Grace@Example.com',
      is_email_verified: true,
      name: 'Grace Hopper',
      is_disabled: true,
      address: { country: 'US' },
      roles: ['admiral'],
      password_hash: bcrypt,
      created_at: Date.parse('2020-02-03T04:05:06Z'),
    })
    expect(await account('last@example.com')).toMatchObject({ is_email_verified: false, is_disabled: false, roles: [] })
    // A refused line can be corrected in the file and imported.
    const rejected = readFileSync(`${file}.rejected`, 'latin1').split('\n')
    expect(rejected.slice(0, 3)).toEqual([
      '{"email": "broken',
      '{"email":"nobody"}',
      '{"email":"a@example.com","nmae":"Typo"}',
    ])
    expect(rejected).toContain('{"email": "latin1@example.com", "name": "Zo\xeb"}')
    expect(statSync(`${file}.rejected`).mode & 0o777).toBe(0o600)

    const again = await run(['user', 'import', file])
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(again.stdout).toMatch(says('cli.user.import.resumed', { line: 15 }))
    const fromStart = await run(['user', 'import', file, '--from-start', '--json'])
    expect(fromStart.json()).toMatchObject({ read: 14, imported: 0, existing: 4, refused: 9 })
  })

  test('reads standard input, and imports what export wrote without a change', async () => {
    const first = await run(['user', 'import', '-', '--json'], lines({ email: 'piped@example.com', name: 'Piped' }))
    expect(first).toMatchObject({ code: 0, stderr: '' })
    const file = path.join(folder, 'export.jsonl')
    const exported = await run(['user', 'export', file, '--password-hashes', '--json'])
    const documents = readFileSync(file, 'utf8').trim().split('\n')
    expect(exported.json()).toEqual({ exported: documents.length, file })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await run(['user', 'export', file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('file_unwritable'),
    })
    const before = await database.database
      .knex('account')
      .select('id', 'email', 'name', 'password_hash', 'created_at', 'roles', 'address', 'is_disabled')
      .orderBy('id')
    await database.database.knex('account').delete()
    expect(await run(['user', 'import', file])).toMatchObject({ code: 0, stderr: '' })
    const after = await database.database
      .knex('account')
      .select('id', 'email', 'name', 'password_hash', 'created_at', 'roles', 'address', 'is_disabled')
      .orderBy('id')
    expect(after).toEqual(before)
    const plain = await run(['user', 'export', '-'])
    expect(plain.stdout.trim().split('\n')).toHaveLength(documents.length)
    expect(plain.stdout).not.toContain('password_hash')
    const actions = await database.database
      .knex('audit_event')
      .where('action', 'account.exported')
      .select('details')
      .orderBy('sequence')
    expect(actions.map(({ details }) => details.has_hashes)).toEqual([true, false, false])
  })

  test('an unreadable file is the error file_unreadable', async () => {
    expect(await run(['user', 'import', '/nowhere/people.jsonl'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('file_unreadable'),
    })
  })
})

describe('the import', () => {
  let setup: Setup
  beforeAll(async () => {
    setup = await createSetup()
  })
  afterAll(() => setup.close())

  const createImport = () =>
    createAccountImport({
      db: setup.db,
      transaction: setup.database.transaction,
      audit: setup.audit,
      clock: setup.clock,
      random: systemRandom,
      problemOfHash: problemOfImportedHash,
    })

  test('continues after an interruption, and imports each line once', async () => {
    const text = lines(...Array.from({ length: 25 }, (_, n) => ({ email: `person-${n}@example.com` })))
    const fileDigest = createHash('sha256').update(text).digest()
    const { importBatch, findPosition } = createImport()
    let batches = 0
    for await (const { lines: batch, ...place } of readLines(Readable.from([Buffer.from(text)]), {
      size: 10,
      nextByte: 0,
      nextLine: 1,
    })) {
      if (batches === 2) break
      batches += 1
      await importBatch(batch, { ...place, fileDigest }, operator)
    }
    const place = (await findPosition(fileDigest))!
    expect(place.nextLine).toBe(21)
    const rest = Buffer.from(text).subarray(place.nextByte)
    for await (const { lines: batch, ...next } of readLines(Readable.from([rest]), { size: 10, ...place })) {
      expect(batch.map(({ number }) => number)).toEqual([21, 22, 23, 24, 25])
      expect(await importBatch(batch, { ...next, fileDigest }, operator)).toMatchObject({ imported: 5, existing: [] })
    }
    expect(await setup.db('account').where('email', 'like', 'person-%')).toHaveLength(25)
    expect(await findPosition(randomBytes(32))).toBeUndefined()
  })

  test('a failed batch stores no account and no position', async () => {
    const { importBatch, findPosition } = createAccountImport({
      db: setup.db,
      transaction: setup.database.transaction,
      clock: setup.clock,
      random: systemRandom,
      audit: { record: async () => Promise.reject(new Error('killed')), knownSubjects: async () => [] },
      problemOfHash: problemOfImportedHash,
    })
    const fileDigest = randomBytes(32)
    const batch = [{ number: 1, text: '{"email": "killed@example.com"}' }]
    await expect(importBatch(batch, { nextByte: 9, nextLine: 2, fileDigest }, operator)).rejects.toThrow('killed')
    expect(await findPosition(fileDigest)).toBeUndefined()
    expect(await setup.accounts.findByEmail('killed@example.com')).toBeUndefined()
  })

  const importOne = async (document: object) => {
    const report = await createImport().importBatch(
      [{ number: 1, text: JSON.stringify(document) }],
      undefined,
      operator,
    )
    return [...report.refused.flatMap(({ problems }) => problems.map(({ path, code }) => `${path} ${code}`))]
  }

  test.each([
    '2020-02-03T04:05:06',
    '2020-02-03',
    '2020-02-03 04:05:06Z',
    '2020-02-30T04:05:06Z',
    '2020-02-03T24:00:00Z',
    '2020-02-03T04:05Z',
    'Mon, 03 Feb 2020 04:05:06 GMT',
    '1580702706',
    1580702706,
    '2020-02-03T04:05:61Z',
  ])('%j is not a time of RFC 3339 with an offset', async (moment) => {
    expect(await importOne({ email: 'moment@example.com', created_at: moment })).toEqual(['created_at not_moment'])
  })

  test.each([
    ['1969-12-31T23:59:59Z', 'moment_too_early'],
    ['1970-01-01T00:59:59+01:00', 'moment_too_early'],
    ['2016-12-31T23:59:60Z', 'moment_leap_second'],
    ['2017-01-01T00:59:60.5+01:00', 'moment_leap_second'],
  ])('%s cannot be stored, and the error is %s', async (moment, code) => {
    expect(await importOne({ email: 'moment@example.com', created_at: moment })).toEqual([`created_at ${code}`])
  })

  test('a time with an offset is converted to UTC, and one in the future is refused', async () => {
    expect(await importOne({ email: 'then@example.com', created_at: '2020-02-03t05:05:06.5+01:00' })).toEqual([])
    const then = await setup.accounts.findByEmail('then@example.com')
    expect(then?.createdAt).toBe(Date.parse('2020-02-03T04:05:06.500Z'))
    const ahead = new Date(setup.clock.now() + 1000).toISOString()
    expect(await importOne({ email: 'ahead@example.com', created_at: ahead })).toEqual(['created_at moment_ahead'])
  })

  test('the id of a deleted account, and the nil UUID, are refused; the other lines are imported', async () => {
    const id = await setup.accounts.create({ email: 'gone@example.com' }, operator)
    const kept = await setup.accounts.create({ email: 'here@example.com' }, operator)
    await setup.db('account').where({ id }).delete()
    const batch = [
      { email: 'back@example.com', id },
      { email: 'taken@example.com', id: kept },
      { email: 'nil@example.com', id: '00000000-0000-0000-0000-000000000000' },
      { email: 'back@example.com' },
    ]
    const lines = batch.map((document, index) => ({ number: index + 1, text: JSON.stringify(document) }))
    expect(await createImport().importBatch(lines, undefined, operator)).toEqual({
      imported: 1,
      existing: [2],
      refused: [
        { line: 1, problems: [{ path: 'id', code: 'id_spent' }] },
        { line: 3, problems: [{ path: 'id', code: 'not_uuid' }] },
      ],
    })
    expect(await setup.accounts.findById(id)).toBeUndefined()
  })

  test('an id that is deleted while its line is imported is not created again', async () => {
    const id = await setup.accounts.create({ email: 'racing@example.com' }, operator)
    // The account exists when the ids are checked, and is deleted before the row is written.
    await setup.db('account').where({ id }).delete()
    let calls = 0
    const { importBatch } = createAccountImport({
      db: setup.db,
      transaction: setup.database.transaction,
      audit: {
        record: setup.audit.record,
        knownSubjects: async (...asked) => {
          calls += 1
          return calls === 1 ? [] : setup.audit.knownSubjects(...asked)
        },
      },
      clock: setup.clock,
      random: systemRandom,
      problemOfHash: problemOfImportedHash,
    })
    const text = JSON.stringify({ email: 'racing@example.com', id })
    expect(await importBatch([{ number: 1, text }], undefined, operator)).toMatchObject({
      imported: 0,
      refused: [{ line: 1, problems: [{ path: 'id', code: 'id_spent' }] }],
    })
    expect(await setup.accounts.findByEmail('racing@example.com')).toBeUndefined()
  })

  test.each([
    `https://x.example/"onload=`,
    "https://x.example/'",
    'https://x.example/<b>',
    'https://x.example/`',
    'ftp://x.example/',
    'javascript:alert(1)',
    '//x.example',
  ])('the website %j is refused', async (website) => {
    expect(await importOne({ email: 'web@example.com', website })).toEqual(['website not_web_url'])
  })

  test('spellings of one mailbox in a file are one account', async () => {
    const lines = ['a@grün.example', 'A@xn--grn-ioa.example', 'a@ＧＲÜＮ。example.', 'x@0x7f.1'].map(
      (email, index) => ({
        number: index + 1,
        text: JSON.stringify({ email }),
      }),
    )
    expect(await createImport().importBatch(lines, undefined, operator)).toEqual({
      imported: 1,
      existing: [2, 3],
      refused: [{ line: 4, problems: [{ path: 'email', code: 'not_email' }] }],
    })
    expect(await setup.accounts.findByEmail('a@grün.example')).toMatchObject({ email: 'a@grün.example' })
  })

  test('a line that only the database refuses is reported, and the other lines are imported', async () => {
    // A constraint for this test only: a value that the input check allows and only the database
    // refuses.
    await setup.db.raw("ALTER TABLE account ADD CONSTRAINT no_voldemort CHECK (name <> 'Voldemort')")
    const batch = ['Harry', 'Voldemort', 'Ron'].map((name, index) => ({
      number: index + 1,
      text: JSON.stringify({ email: `${name}@hogwarts.example`, name }),
    }))
    expect(await createImport().importBatch(batch, undefined, operator)).toEqual({
      imported: 2,
      existing: [],
      refused: [{ line: 2, problems: [{ path: '', code: 'database_refused' }] }],
    })
  })

  test.each([1, 2, 3, 7, 64])('lines are read the same when the bytes arrive %i at a time', async (size) => {
    const text = '\uFEFF{"a":1}\r\nzwei ü\n\n漢字\nlast'
    const bytes = Buffer.from(text)
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.subarray(n * size, (n + 1) * size),
    )
    const found: string[] = []
    let end = 0
    for await (const { lines: batch, nextByte } of readLines(Readable.from(chunks), {
      size: 2,
      nextByte: 0,
      nextLine: 1,
    })) {
      found.push(...batch.map(({ number, text: line }) => `${number} ${line}`))
      end = nextByte
    }
    expect(found).toEqual(['1 {"a":1}\r', '2 zwei ü', '3 ', '4 漢字', '5 last'])
    expect(end).toBe(bytes.length)
  })
})
