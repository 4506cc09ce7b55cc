/**
 * Reads a file that may be larger than memory as batches of lines, each with the byte where the
 * next batch begins.
 */
import type { Readable } from 'node:stream'

export type Line = Readonly<{ number: number; text: string | undefined; bytes: Buffer }>
export type LineBatch = Readonly<{ lines: readonly Line[]; nextByte: number; nextLine: number }>

/** No account needs a longer line; a file without line feeds must not fill the memory. */
const longestLine = 256 * 1024
const lineFeed = 0x0a

/**
 * The second argument is the position where `stream` begins. A line that is not UTF-8 or too long
 * has no text; a line that is too long keeps its first bytes.
 */
export async function* readLines(
  stream: Readable,
  { size, nextByte, nextLine }: { size: number; nextByte: number; nextLine: number },
): AsyncGenerator<LineBatch> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest: Buffer = Buffer.alloc(0)
  let isTooLong = false
  let position = { nextByte, nextLine }
  let lines: Line[] = []

  const decode = (bytes: Buffer): string | undefined => {
    try {
      return decoder.decode(bytes)
    } catch {
      // Not UTF-8: the caller refuses the line by its number.
      return undefined
    }
  }
  function add(bytes: Buffer, skipped: number): void {
    lines.push({
      number: position.nextLine,
      bytes,
      text: isTooLong || bytes.length > longestLine ? undefined : decode(bytes),
    })
    position = { nextByte: position.nextByte + bytes.length + skipped, nextLine: position.nextLine + 1 }
    isTooLong = false
  }

  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let begin = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, begin)) {
      add(Buffer.concat([rest, chunk.subarray(begin, end)]), 1)
      rest = Buffer.alloc(0)
      begin = end + 1
      if (lines.length >= size) {
        yield { lines, ...position }
        lines = []
      }
    }
    rest = Buffer.concat([rest, chunk.subarray(begin)])
    if (rest.length > longestLine) {
      // The bytes that are cut off still count as read.
      position = { ...position, nextByte: position.nextByte + rest.length - longestLine }
      rest = rest.subarray(0, longestLine)
      isTooLong = true
    }
  }
  if (rest.length > 0) add(rest, 0)
  if (lines.length > 0) yield { lines, ...position }
}
