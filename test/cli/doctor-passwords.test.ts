/** The doctor's checks of passwords: the minimum length, and the search in known breaches. */
import { checkBreachCheck, checkPasswordPolicy } from '../../src/doctor/verdicts.ts'
import { startBreachService } from '../passwords/breach-service.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestFolder } from '../support/folders.ts'
import { runCommand } from './command-line.ts'

test('a minimum below fifteen characters is a warning (SP 800-63B 3.1.1.2)', () => {
  expect(checkPasswordPolicy(14)).toMatchObject({ status: 'warning', code: 'password_minimum_low' })
  expect(checkPasswordPolicy(15)).toMatchObject({ status: 'ok', code: 'password_policy_ok' })
})

test('a missing breach service is reported in production, and one that does not answer is reported everywhere', () => {
  const breachCheck = { rangeUrl: 'https://breaches.example/range/', outage: 'refuse' } as const
  expect(checkBreachCheck(undefined, undefined, true)).toMatchObject({
    status: 'warning',
    code: 'breach_check_missing',
  })
  expect(checkBreachCheck(undefined, undefined, false)).toMatchObject({ status: 'ok', code: 'breach_check_off' })
  expect(checkBreachCheck(breachCheck, undefined, true)).toMatchObject({
    status: 'ok',
    code: 'breach_check_ok',
    params: { host: 'breaches.example', outage: 'refuse' },
  })
  expect(checkBreachCheck(breachCheck, 'timeout', true)).toMatchObject({
    status: 'failed',
    code: 'breach_check_away',
    params: { reason: 'timeout' },
  })
})

test('the doctor calls the breach service, and reads the minimum length', async () => {
  const [database, service] = [await createTestDatabase(), await startBreachService()]
  const env = {
    NODE_ENV: 'test',
    DATABASE_URL: database.url,
    MASTER_KEY: '1f'.repeat(32),
    DATA_FOLDER: createTestFolder(),
    BREACH_CHECK_URL: service.url,
  }
  await database.database.knex('setting').insert({ key: 'passwordMinimumLength', value: '20', updated_at: 0 })
  const { checks } = (await runCommand(['doctor', '--json'], { env })).json()
  expect(checks).toContainEqual(expect.objectContaining({ check: 'breach-check', code: 'breach_check_ok' }))
  expect(checks).toContainEqual(
    expect.objectContaining({ check: 'password-policy', code: 'password_policy_ok', params: { minimum: 20 } }),
  )
  service.close()
  await database.close()
})
