/** A local service with the range protocol of Pwned Passwords. It can be set to answer wrongly. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Answer = (response: ServerResponse, prefix: string) => void

const digestOf = (password: string) => createHash('sha1').update(password.normalize('NFC')).digest('hex').toUpperCase()

/** Additional lines: other suffixes of the range, and padding with a count of 0. */
const others = (prefix: string, count: number, hits: number) =>
  Array.from({ length: count }, (_, n) => `${digestOf(`${prefix} ${hits} ${n}`).slice(0, 35)}:${hits}`)

export async function startBreachService() {
  const counts = new Map<string, number>()
  const requests: { method: string; path: string; headers: IncomingMessage['headers'] }[] = []

  const lines = (prefix: string) => [
    ...others(prefix, 900, 3),
    ...[...counts].flatMap(([digest, count]) => (digest.startsWith(prefix) ? [`${digest.slice(5)}:${count}`] : [])),
    ...others(prefix, 60, 0),
  ]
  const honest: Answer = (response, prefix) => response.end(lines(prefix).sort().join('\r\n'))
  let answer = honest

  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers })
    answer(response, (request.url ?? '').slice('/range/'.length))
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `http://localhost:${port}/range/`,
    requests,
    /** Adds the password to `count` breaches; 0 looks like padding. */
    breach: (password: string, count = 7) => void counts.set(digestOf(password), count),
    /** Sets the kind of the next answers; without an argument, the correct one. */
    behave: (as: Answer = honest): void => {
      answer = as
    },
    linesOf: (password: string) => lines(digestOf(password).slice(0, 5)),
    prefixOf: (password: string) => digestOf(password).slice(0, 5),
    digestOf,
    close: (): void => {
      server.closeAllConnections()
      server.close()
    },
  }
}
