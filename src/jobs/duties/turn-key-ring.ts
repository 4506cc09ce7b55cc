/** Twice a minute: signing keys are made, announced, activated, retired and removed as their time comes. */
import type { Duty } from '../index.ts'

export const turnKeyRing: Duty = {
  name: 'turn-key-ring',
  everySeconds: 30,
  async run({ rotation, log }) {
    for (const change of await rotation.turn()) log.info(change, 'a signing key changed its state')
  },
}
