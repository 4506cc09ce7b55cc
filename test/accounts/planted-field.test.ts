/** A profile field is one line of the table and one column. Every reader of a profile has it. */
import type { Latchkey } from '../support/latchkey.ts'

const { personFields } = await import('../../src/accounts/fields.ts')
const { checkText } = await import('../../src/accounts/field-checks.ts')
// The planted line. Every module below reads the table when it is loaded.
Object.assign(personFields, {
  department: { column: 'department', claim: 'department', scope: 'profile', check: checkText },
})
const { accountDocument, readAccountDocument } = await import('../../src/accounts/document.ts')
const { callback, createRelyingParty, startLatchkey, testPassword, webSecret } = await import('../support/latchkey.ts')
const { createTestDatabase } = await import('../support/database.ts')

const operator = { actor: { type: 'operator', id: 'test' }, origin: { command: 'test' } } as const
let server: Latchkey
let close: () => Promise<unknown>

beforeAll(async () => {
  const database = await createTestDatabase()
  // The planted migration.
  await database.database.knex.schema.alterTable('account', (table) => void table.text('department'))
  server = await startLatchkey({ database })
  await server.addClient({
    clientId: 'web',
    kind: 'web',
    secret: webSecret,
    metadata: { client_name: 'Web App', redirect_uris: [callback], scope: 'openid profile email' },
  })
  close = async () => {
    await server.stop()
    await database.close()
  }
})
afterAll(() => close?.())

const email = 'dinah@example.com'
const document = { email, email_verified: true, name: 'Dinah', department: 'Gardens' }

test('an account document with a new field is read, checked and written', async () => {
  expect(readAccountDocument({ ...document, department: ' ' }).problems).toEqual([
    { path: 'department', code: 'not_text', params: { max: 200 } },
  ])
  const { input, problems } = readAccountDocument(document)
  expect(problems).toEqual([])
  await server.parts.accounts.create({ ...input, password: testPassword }, operator)
  const account = await server.parts.accounts.findByEmail(email)
  expect(accountDocument(account!)).toMatchObject({ department: 'Gardens' })
})

test('discovery lists the claim of a new field, and only its scope gives it', async () => {
  const discovery = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()
  expect((discovery as { claims_supported: string[] }).claims_supported).toContain('department')
  for (const [scope, value] of [
    ['openid profile', 'Gardens'],
    ['openid email', undefined],
  ] as const) {
    const relyingParty = createRelyingParty(server)
    const { code } = await relyingParty.complete(
      await relyingParty.browser.get(await relyingParty.authorizeUrl({ scope })),
      { email, password: testPassword },
    )
    const { access_token: token } = (await relyingParty.exchange(code!)).body
    expect((await relyingParty.userinfo(token)).body.department).toBe(value)
  }
})

test('an import stores a new field, and an update with null removes it', async () => {
  const text = JSON.stringify({ email: 'hatter@example.com', name: 'Hatter', department: 'Hats' })
  expect(await server.parts.accountImport.importBatch([{ number: 1, text }], undefined, operator)).toMatchObject({
    imported: 1,
  })
  const { id } = (await server.parts.accounts.findByEmail('hatter@example.com'))!
  await server.parts.accounts.update(id, { department: null } as never, operator)
  expect(accountDocument((await server.parts.accounts.findByEmail('hatter@example.com'))!)).not.toHaveProperty(
    'department',
  )
})
