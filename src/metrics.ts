/**
 * The metrics registry: one per process, built in `compose/`, read as text in the Prometheus
 * format.
 */
import { collectDefaultMetrics, Registry } from 'prom-client'

export type Metrics = Registry

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'latchkey_' })
  return registry
}
