/** Replaces `keys/key-ring.ts` in processes with a shortened lease: the ring is read more often. */
import { createKeyRing as create } from '../../keys/key-ring.ts'

export const leaseMs = Number(process.env.LATCHKEY_TEST_LEASE_MS)

export const createKeyRing: typeof create = (deps) => create({ ...deps, leaseMs, pollMs: leaseMs / 5 })
