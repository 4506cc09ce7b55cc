/**
 * Arrays in Postgres' binary form: pg sends a Buffer unchanged, which avoids the hexadecimal form
 * of a text array.
 */

const headerBytes = 20
const oids = { bytea: 17, text: 25, int2: 21, int4: 23, int8: 20 } as const
const widths = { int2: 2, int4: 4, int8: 8 } as const

function begin(size: number, count: number, oid: number): Buffer {
  const array = Buffer.allocUnsafe(headerBytes + size)
  array.writeInt32BE(1, 0)
  array.writeInt32BE(1, 4)
  array.writeInt32BE(oid, 8)
  array.writeInt32BE(count, 12)
  array.writeInt32BE(1, 16)
  return array
}

/** One dimension, lower bound 1; undefined becomes NULL. */
export function bytesArray(values: readonly (Buffer | undefined)[], type: 'bytea' | 'text' = 'bytea'): Buffer {
  let size = 0
  for (const value of values) size += 4 + (value?.length ?? 0)
  const array = begin(size, values.length, oids[type])
  let at = headerBytes
  for (const value of values) {
    at = array.writeInt32BE(value ? value.length : -1, at)
    if (value) at += value.copy(array, at)
  }
  return array
}

/**
 * A text in Postgres cannot contain NUL or a lone surrogate: both become U+FFFD, in writes and
 * comparisons.
 */
export const storableText = (text: string): string => text.toWellFormed().replaceAll('\u0000', '\uFFFD')

export const textArray = (values: readonly (string | undefined)[]): Buffer =>
  bytesArray(
    values.map((value) => (value === undefined ? undefined : Buffer.from(storableText(value)))),
    'text',
  )

/** Whole numbers; undefined becomes NULL. */
export function intArray(type: 'int2' | 'int4' | 'int8', values: readonly (number | undefined)[]): Buffer {
  const width = widths[type]
  let size = 0
  for (const value of values) size += value === undefined ? 4 : 4 + width
  const array = begin(size, values.length, oids[type])
  let at = headerBytes
  for (const value of values) {
    at = array.writeInt32BE(value === undefined ? -1 : width, at)
    if (value === undefined) continue
    if (type === 'int8') at = array.writeBigInt64BE(BigInt(value), at)
    else at = array.writeIntBE(value, at, width)
  }
  return array
}
