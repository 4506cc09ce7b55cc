/** Signing keys: what an operator does with them, and the duty that changes their states. */
import type { Log } from '../log.ts'
import { createSigningKeys } from './service.ts'

export { recordKeyChange } from './service.ts'

type Deps = Parameters<typeof createSigningKeys>[0] & { log: Log }

export function createSigningKeysFeature({ rotation, offered, log }: Deps) {
  return {
    signingKeys: createSigningKeys({ rotation, offered }),
    duties: [
      {
        // Twice a minute: keys are made, announced, activated, retired and removed when they are due.
        name: 'turn-key-ring',
        everySeconds: 30,
        run: async () => {
          for (const change of await rotation.advance()) log.info(change, 'a signing key changed its state')
        },
      },
    ],
  }
}
