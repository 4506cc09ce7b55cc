/** Every ten minutes: accounts whose grace period is over are deleted. */
import type { Duty } from '../index.ts'

export const deleteAccounts: Duty = {
  name: 'delete-accounts',
  everySeconds: 600,
  async run({ leaving }, signal) {
    while (!signal.aborted && (await leaving.deleteDue()) > 0);
  },
}
