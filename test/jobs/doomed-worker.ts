/**
 * A process whose job never ends, for the test that kills it: `node doomed-worker.ts DATABASE_URL`.
 */
import { createQueue } from '../../src/jobs/queue.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'

const queue = createQueue({
  url: process.argv[2] ?? '',
  log: createLog({ level: 'silent' }),
  metrics: createMetrics(),
  pollMs: 50,
})
const hang = () => {
  process.stdout.write('begun\n')
  return new Promise<void>(() => undefined)
}
queue.start({ tasks: { deliver: hang }, duties: [] })
