/** HMAC-SHA-256 under a key that stays: what is the same for every text is prepared once. */
import { hash } from 'node:crypto'

const blockBytes = 64
const digestBytes = 32

/**
 * RFC 2104 §2 by Node's one-shot hash: H(K ⊕ opad, H(K ⊕ ipad, text)). `createHmac` sets up a stream and asks OpenSSL for the algorithm each time,
 * which costs three times as much. `key` has at most 64 bytes; longer ones throw RangeError.
 */
export function createHmacSha256(key: Buffer): (text: string) => Buffer {
  if (key.length > blockBytes) throw new RangeError('a key of HMAC-SHA-256 has at most 64 bytes here')
  const padded = (byte: number): Buffer => {
    const block = Buffer.alloc(blockBytes, byte)
    for (const [index, part] of key.entries()) block[index] = part ^ byte
    return block
  }
  const innerPad = padded(0x36)
  const outer = Buffer.concat([padded(0x5c), Buffer.alloc(digestBytes)])
  return (text) => {
    const inner = Buffer.allocUnsafe(blockBytes + Buffer.byteLength(text))
    innerPad.copy(inner)
    inner.write(text, blockBytes)
    // Nothing runs in between: `outer` is used by one call at a time.
    hash('sha256', inner, 'buffer').copy(outer, blockBytes)
    return hash('sha256', outer, 'buffer')
  }
}
