/**
 * Periodic duties: each runs in one process of the cluster at a time. A feature exports its own in
 * `index.ts`.
 */
import type { ScheduledTask } from './queue.ts'

export type Duty = ScheduledTask

/**
 * Repeats `work` until nothing is left or the process stops. `work` does one batch and returns its
 * size.
 */
export const batchDuty = (name: string, everySeconds: number, work: () => Promise<number>): Duty => ({
  name,
  everySeconds,
  run: async (signal) => {
    while (!signal.aborted && (await work()) > 0);
  },
})
