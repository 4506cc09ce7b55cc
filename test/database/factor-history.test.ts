/** The history of factors starts with the existing ones and with those in the audit trail. */
import { randomUUID } from 'node:crypto'
import { migrations } from '../../migrations/index.ts'
import { migrateUnderLock } from '../../src/database/migrate.ts'
import { createLog } from '../../src/log.ts'
import { createTestDatabase } from '../support/database.ts'

const log = createLog({ level: 'silent' })

test('0034 fills the history from the factors and from factor.added, and triggers keep it', async () => {
  const own = await createTestDatabase({ isEmpty: true })
  const { maintenance: knex } = own.database
  const at = migrations.findIndex(({ name }) => name === '0034_factor_trust')
  await migrateUnderLock({ knex, log }, migrations.slice(0, at))
  const id = randomUUID()
  await knex('account').insert({
    id,
    email: 'a@example.com',
    email_key: 'a@example.com',
    created_at: 1,
    updated_at: 1,
  })
  await knex('totp').insert({ account_id: id, sealed_secret: Buffer.of(1), last_step: 1, created_at: 500 })
  const passkey = { account_id: id, public_key: Buffer.of(1), counter: 0, transports: [], name: 'x' }
  await knex('passkey').insert({ ...passkey, id: randomUUID(), credential_id: Buffer.of(1), created_at: 600 })
  const added = (method: string, moment: number, action = 'factor.added') => ({
    id: randomUUID(),
    at: moment,
    action,
    actor_type: 'account',
    actor_id: id,
    subject_type: 'account',
    subject_id: id,
    outcome: 'success',
    details: JSON.stringify({ method }),
  })
  await knex('audit_event').insert([
    added('passkey', 100),
    added('passkey', 100),
    added('recovery_code', 110),
    added('totp', 200, 'factor.removed'),
  ])
  await migrateUnderLock({ knex, log }, migrations.slice(0, at + 1))
  const history = async () =>
    (await knex('factor_history').where({ account_id: id }).orderBy('added_at')).map(
      ({ method, added_at: moment }) => `${method} ${moment}`,
    )
  expect(await history()).toEqual(['passkey 100', 'totp 500', 'passkey 600'])

  await knex('totp').where({ account_id: id }).update({ created_at: 700 })
  await knex('totp').where({ account_id: id }).update({ last_step: 2 })
  await knex('totp').where({ account_id: id }).delete()
  await knex('passkey').insert({ ...passkey, id: randomUUID(), credential_id: Buffer.of(2), created_at: 800 })
  await knex('passkey').where({ account_id: id }).delete()
  expect(await history()).toEqual(['passkey 100', 'totp 500', 'passkey 600', 'totp 700', 'passkey 800'])
  await own.close()
})
