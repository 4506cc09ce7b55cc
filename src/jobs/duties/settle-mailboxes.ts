/** Every minute: accounts that the program before has written get their mailbox. */
import type { Duty } from '../index.ts'

export const settleMailboxes: Duty = {
  name: 'settle-mailboxes',
  everySeconds: 60,
  async run({ mailboxes }) {
    await mailboxes.run()
  },
}
