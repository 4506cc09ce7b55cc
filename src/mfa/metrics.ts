/** Metrics of second factors. */
import { Counter } from 'prom-client'
import type { Metrics } from '../metrics.ts'
import type { MethodId } from './methods/index.ts'

export type FactorMetrics = ReturnType<typeof measureFactors>

export function measureFactors(metrics: Metrics) {
  const factors = new Counter({
    name: 'latchkey_second_factors_total',
    help: 'Attempts at a second factor, by method and outcome: success, failure, locked, off',
    labelNames: ['method', 'outcome'],
    registers: [metrics],
  })
  return {
    count: (method: MethodId, outcome: 'success' | 'failure' | 'locked' | 'off'): void =>
      factors.inc({ method, outcome }),
  }
}

export type ResetMetrics = ReturnType<typeof measureResets>

export function measureResets(metrics: Metrics) {
  const resets = new Counter({
    name: 'latchkey_factor_resets_total',
    help: 'Resets of second factors by email: requested, stopped, done',
    labelNames: ['outcome'],
    registers: [metrics],
  })
  return { count: (outcome: 'requested' | 'stopped' | 'done'): void => resets.inc({ outcome }) }
}
