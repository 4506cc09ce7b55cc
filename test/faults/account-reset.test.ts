/** An account's past ends when the account is reset: what began under the old password comes to nothing, whichever process it is at. */

import { describeWith } from '../support/programs.ts'
import { testBeginnings } from './account-reset/beginnings.ts'
import { testChanges } from './account-reset/changes.ts'
import { testFactorSteps } from './account-reset/factor-steps.ts'
import type { House } from './account-reset/house.ts'
import { openHouse } from './account-reset/house.ts'
import { testOperators } from './account-reset/operators.ts'
import { testSignIns } from './account-reset/sign-ins.ts'

function suite(options: { withRedis: boolean }): void {
  let opened: House | undefined
  const house = (): House => opened!
  beforeAll(async () => {
    opened = await openHouse(options)
  }, 60_000)
  afterAll(() => opened?.close())

  testSignIns(house)
  testFactorSteps(house)
  testChanges(house)
  testBeginnings(house)
  testOperators(house)
}

describe('with Postgres alone', () => suite({ withRedis: false }))
describeWith('redis-server', 'with Redis', () => suite({ withRedis: true }))
