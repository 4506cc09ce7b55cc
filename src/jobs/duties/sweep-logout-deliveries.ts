/** Every five minutes: deliveries of logouts that were settled a month ago leave, and those that no job is for get one. */
import type { Duty } from '../index.ts'

const batchSize = 1000

export const sweepLogoutDeliveries: Duty = {
  name: 'sweep-logout-deliveries',
  everySeconds: 300,
  async run({ logout }) {
    await logout.sweep(batchSize)
    await logout.wakeOverdue()
  },
}
