/** Requests written to the socket unchanged, so that no client library corrects them first. */
import { connect } from 'node:net'

export const formType = 'Content-Type: application/x-www-form-urlencoded'
export const lengthOf = (body: string): string => `Content-Length: ${Buffer.byteLength(body, 'latin1')}`

/** The status of every answer in `text`. */
export const statusesIn = (text: string): number[] =>
  [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status))

/**
 * Sends `text` to the server at `base` and returns everything received until the connection ends.
 */
export function sendRaw(base: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(new URL(base).port), '127.0.0.1', () => socket.write(text, 'latin1'))
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('data', (chunk) => (answer += String(chunk)))
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

/** One HTTP/1.1 message; the connection ends with the answer. */
export const message = (line: string, headers: readonly string[] = [], body = ''): string =>
  [`${line} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', body].join('\r\n')
