/**
 * An account whose credentials are reset, with two processes: no operation that began before the
 * reset may finish after it.
 */

import { describeWith } from '../support/programs.ts'
import { testBeginnings } from './account-reset/beginnings.ts'
import { testChanges } from './account-reset/changes.ts'
import { testFactorSteps } from './account-reset/factor-steps.ts'
import { testOperators } from './account-reset/operators.ts'
import type { Setup } from './account-reset/setup.ts'
import { openSetup } from './account-reset/setup.ts'
import { testSignIns } from './account-reset/sign-ins.ts'

function suite(options: { withRedis: boolean }): void {
  let opened: Setup | undefined
  const setup = (): Setup => opened!
  beforeAll(async () => {
    opened = await openSetup(options)
  })
  afterAll(() => opened?.close())

  testSignIns(setup)
  testFactorSteps(setup)
  testChanges(setup)
  testBeginnings(setup)
  testOperators(setup)
}

describe('with Postgres alone', () => suite({ withRedis: false }))
describeWith('redis-server', 'with Redis', () => suite({ withRedis: true }))
