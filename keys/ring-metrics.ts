/**
 * Metrics of the keys: the count per state, the age of the active keys, and whether this process
 * may sign.
 */
import { Gauge } from 'prom-client'
import type { Clock } from '../src/clock.ts'
import type { Metrics } from '../src/metrics.ts'
import type { KeyRing } from './key-ring.ts'
import { leaseMs } from './key-ring.ts'
import { keyStates } from './states.ts'

export function measureKeyRing({
  keyRing,
  metrics,
  clock,
}: {
  keyRing: KeyRing
  metrics: Metrics
  clock: Clock
}): void {
  const registers = [metrics]
  new Gauge({
    name: 'latchkey_signing_keys',
    help: 'Published signing keys, by algorithm and state',
    labelNames: ['algorithm', 'state'],
    registers,
    collect() {
      this.reset()
      const { publishedKeys } = keyRing.current()
      for (const { algorithm } of publishedKeys) for (const state of keyStates) this.set({ algorithm, state }, 0)
      for (const { algorithm, state } of publishedKeys) this.inc({ algorithm, state })
    },
  })
  new Gauge({
    name: 'latchkey_active_key_age_seconds',
    help: 'For how long the key that signs has been active, by algorithm',
    labelNames: ['algorithm'],
    registers,
    collect() {
      this.reset()
      for (const { algorithm, state, activatedAt } of keyRing.current().publishedKeys) {
        if (state !== 'active' || activatedAt === undefined) continue
        this.set({ algorithm }, Math.max(0, clock.now() - activatedAt) / 1000)
      }
    },
  })
  new Gauge({
    name: 'latchkey_key_ring_unconfirmed_seconds',
    help: `Since when this process has not read the key ring; beyond ${leaseMs / 1000} it refuses to sign`,
    registers,
    collect() {
      this.set(keyRing.unconfirmedMs() / 1000)
    },
  })
}
