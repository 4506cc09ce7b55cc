/** The source of randomness and ids, passed to every part that creates a secret or an id. */
import { randomBytes, randomInt, randomUUID } from 'node:crypto'

export type Random = {
  /** `length` bytes from the operating system's generator. */
  bytes: (length: number) => Buffer
  /** A bearer secret of `bits` bits (default 256), base64url without padding. */
  token: (bits?: number) => string
  /** A whole number from `least` to `most`, each as likely as the others. */
  integer: (least: number, most: number) => number
  /** An id that reveals nothing about its row: a version 4 UUID (RFC 9562 §5.4). */
  id: () => string
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  token: (bits = 256) => randomBytes(Math.ceil(bits / 8)).toString('base64url'),
  integer: (least, most) => randomInt(least, most + 1),
  id: () => randomUUID(),
}
