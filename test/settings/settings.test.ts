/** Settings: typed, with defaults, audited, seen by every process. */

import { createAudit } from '../../src/audit/service.ts'
import { createLog } from '../../src/log.ts'
import { systemRandom } from '../../src/random.ts'
import { createSettings } from '../../src/settings/service.ts'
import type { Setup } from '../accounts/setup.ts'
import { createSetup, operator, problemsOf } from '../accounts/setup.ts'
import { waitFor } from '../support/wait.ts'

let setup: Setup
beforeAll(async () => {
  setup = await createSetup()
})
afterAll(() => setup.close())

test('a fresh server has the defaults', () => {
  expect(setup.settings.get()).toEqual({
    serviceName: 'Latchkey',
    sessionIdleSeconds: 3600,
    sessionAbsoluteSeconds: 86_400,
    accessTokenSeconds: 600,
    refreshIdleSeconds: 14 * 86_400,
    refreshAbsoluteSeconds: 90 * 86_400,
    registration: 'off',
    emailVerification: 'optional',
    accountDeletionSeconds: 14 * 86_400,
    passwordMinimumLength: 12,
    passwordUppercase: 'optional',
    passwordLowercase: 'optional',
    passwordDigit: 'optional',
    passwordSpecial: 'optional',
    rateLimitPercent: 100,
    tokenRequestsPerMinute: 3000,
  })
})

test('a change is audited, read by another process within a second, and can be reset', async () => {
  const { transaction, changes, knex } = setup.database
  const audit = createAudit({
    db: setup.database.knex,
    clock: setup.clock,
    random: systemRandom,
    insertAndQueue: async (_tx, _event, row) => await row,
  })
  const other = await createSettings({
    db: knex,
    transaction,
    changes,
    audit,
    clock: setup.clock,
    log: createLog({ level: 'silent' }),
  })
  await setup.settings.set('accessTokenSeconds', '300', operator)
  expect(setup.settings.get().accessTokenSeconds).toBe(300)
  expect((await setup.trail())[0]).toMatchObject({
    action: 'setting.changed',
    subject: { type: 'setting', id: 'accessTokenSeconds' },
    details: { before: 600, after: 300 },
  })
  await waitFor(() => other.get().accessTokenSeconds === 300, { timeoutMs: 1000 })
  await setup.settings.set('accessTokenSeconds', undefined, operator)
  await waitFor(() => other.get().accessTokenSeconds === 600, { timeoutMs: 1000 })
  await other.close()
})

test('an invalid setting is refused and changes nothing', async () => {
  await expect(setup.settings.set('acessTokenSeconds', 1, operator)).rejects.toMatchObject({
    code: 'setting_unknown',
    params: { nearest: 'accessTokenSeconds' },
  })
  await expect(setup.settings.set('__proto__', 1, operator)).rejects.toMatchObject({ code: 'setting_unknown' })
  for (const value of ['ten', '1.5', '-1', '', '59', '99999999999']) {
    expect(await problemsOf(setup.settings.set('accessTokenSeconds', value, operator))).toEqual([
      'accessTokenSeconds not_within',
    ])
  }
  for (const value of ['11', '65', 11, 'long']) {
    expect(await problemsOf(setup.settings.set('passwordMinimumLength', value, operator))).toEqual([
      'passwordMinimumLength not_within',
    ])
  }
  expect(await problemsOf(setup.settings.set('serviceName', 'Evil\u202Ename', operator))).toEqual([
    'serviceName not_text',
  ])
  expect(await problemsOf(setup.settings.set('sessionIdleSeconds', 86_401, operator))).toEqual([
    'sessionIdleSeconds not_above',
  ])
  expect(setup.settings.get().accessTokenSeconds).toBe(600)
})
