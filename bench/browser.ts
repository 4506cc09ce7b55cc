/**
 * The load generator's user agent: raw requests over keep-alive connections, and a cookie jar that
 * respects paths.
 */
import type { Agent, IncomingHttpHeaders } from 'node:http'
import { request } from 'node:http'

export type Answer = {
  status: number
  location: string | undefined
  cookies: readonly string[]
  headers: IncomingHttpHeaders
  body: string
  /** Milliseconds from the request's first byte to the answer's last. */
  ms: number
}

export type Browser = {
  /**
   * Sends one request to the server under test and counts it. `path` may be a full URL of that
   * server.
   */
  send: (method: 'GET' | 'POST', path: string, options?: SendOptions) => Promise<Answer>
  /** Milliseconds that each request since the last call took. */
  takeLatencies: () => number[]
}

export type SendOptions = {
  form?: string
  headers?: Record<string, string>
  withCookies?: boolean
  /** Statuses that are accepted besides 2xx and 303. */
  expected?: readonly number[]
}

const isExpected = (status: number): boolean => (status >= 200 && status < 300) || status === 303

/**
 * One user's browser, which sends the headers of `always` with every request. Throws on a status
 * that is not 2xx, 303 or expected: a fast refusal must not count as speed.
 */
export function createBrowser(issuer: string, agent: Agent | undefined, always: Record<string, string> = {}): Browser {
  const { hostname, port } = new URL(issuer)
  const jar = new Map<string, { path: string; pair: string }>()
  let latencies: number[] = []

  function cookieHeader(path: string): string {
    let header = ''
    for (const cookie of jar.values()) {
      if (!path.startsWith(cookie.path)) continue
      header += header ? `; ${cookie.pair}` : cookie.pair
    }
    return header
  }

  function keep(setCookie: string): void {
    const pair = setCookie.split(';', 1)[0]!
    const name = pair.slice(0, pair.indexOf('='))
    const path = /; ?path=([^;]+)/i.exec(setCookie)?.[1] ?? '/'
    const key = `${path};${name}`
    const isGone = pair.length === name.length + 1 || /; ?max-age=0|; ?expires=[^;]* 1970 /i.test(setCookie)
    if (isGone) jar.delete(key)
    else jar.set(key, { path, pair })
  }

  function send(method: 'GET' | 'POST', target: string, options: SendOptions = {}): Promise<Answer> {
    const { form, withCookies = false, expected = [] } = options
    const path = target.startsWith('/') ? target : target.slice(issuer.length)
    const headers: Record<string, string> = { host: `${hostname}:${port}`, ...always, ...options.headers }
    if (form !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded'
      headers['content-length'] = String(Buffer.byteLength(form))
    }
    if (withCookies) {
      const cookies = cookieHeader(path)
      if (cookies) headers.cookie = cookies
      if (method === 'POST') headers.origin = issuer
    }
    const begunAt = performance.now()
    return new Promise((resolve, reject) => {
      const outgoing = request({ agent, host: hostname, port, method, path, headers }, (incoming) => {
        incoming.setEncoding('utf8')
        let body = ''
        incoming.on('data', (chunk: string) => {
          body += chunk
        })
        incoming.on('error', reject)
        incoming.on('end', () => {
          const ms = performance.now() - begunAt
          latencies.push(ms)
          const status = incoming.statusCode ?? 0
          const cookies = incoming.headers['set-cookie'] ?? []
          if (withCookies) for (const cookie of cookies) keep(cookie)
          if (!isExpected(status) && !expected.includes(status)) {
            return reject(new Error(`${method} ${path}: ${status} ${body.slice(0, 300)}`))
          }
          resolve({ status, location: incoming.headers.location, cookies, headers: incoming.headers, body, ms })
        })
      })
      outgoing.on('error', reject)
      outgoing.end(form)
    })
  }

  return {
    send,
    takeLatencies() {
      const taken = latencies
      latencies = []
      return taken
    },
  }
}
