/** The source of randomness and ids, passed to every part that creates a secret or an id. */
import { randomBytes, randomUUID } from 'node:crypto'

export type Random = {
  /** `length` bytes from the operating system's generator. */
  bytes: (length: number) => Buffer
  /** A bearer secret of `bits` bits (default 256), base64url without padding. */
  token: (bits?: number) => string
  /** An id that reveals nothing about its row: a version 4 UUID (RFC 9562 §5.4). */
  id: () => string
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  token: (bits = 256) => randomBytes(Math.ceil(bits / 8)).toString('base64url'),
  id: () => randomUUID(),
}
