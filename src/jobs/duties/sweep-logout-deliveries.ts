/** Every hour: deliveries of logouts that were settled a month ago leave. */
import type { Duty } from '../index.ts'

const batchSize = 1000

export const sweepLogoutDeliveries: Duty = {
  name: 'sweep-logout-deliveries',
  everySeconds: 3600,
  async run({ logout }) {
    await logout.sweep(batchSize)
  },
}
