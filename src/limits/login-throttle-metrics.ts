/** The metric of password attempts. */
import { Counter } from 'prom-client'
import type { Metrics } from '../metrics.ts'

export type LoginThrottleMetrics = ReturnType<typeof measureLoginThrottle>

export function measureLoginThrottle(metrics: Metrics) {
  const tries = new Counter({
    name: 'latchkey_password_tries_total',
    help: 'Passwords tried, by outcome: right, wrong, or not verified because of a lock, a hundred failures, the network, too many at once from it, or a missing CAPTCHA',
    labelNames: ['outcome'],
    registers: [metrics],
  })
  return {
    count: (outcome: 'right' | 'wrong' | 'locked' | 'off' | 'address' | 'crowded' | 'captcha'): void =>
      tries.inc({ outcome }),
  }
}
