/** Signing keys: the actions of an administrator, and the duty that changes their states. */
import type { Log } from '../log.ts'
import { createSigningKeys } from './service.ts'

export { recordKeyChange } from './service.ts'

type Deps = Parameters<typeof createSigningKeys>[0] & { log: Log }

export function createSigningKeysFeature({ rotation, offered, log }: Deps) {
  return {
    signingKeys: createSigningKeys({ rotation, offered }),
    duties: [
      {
        // Twice a minute: keys are created, announced, activated, retired and removed when that is
        // due.
        name: 'turn-key-ring',
        everySeconds: 30,
        run: async () => {
          for (const change of await rotation.advance()) log.info(change, 'a signing key changed its state')
        },
      },
    ],
  }
}
