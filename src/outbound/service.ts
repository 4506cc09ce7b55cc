/**
 * The one guarded fetch: for every request of this server to a URL that another party chose (OWASP
 * ASVS V1.3.6).
 */
import { Counter } from 'prom-client'
import type { Dispatcher } from 'undici'
import { errors } from 'undici'
import type { AllowedOrigin } from '../config/config.ts'
import type { Metrics } from '../metrics.ts'
import type { OutboundReason } from './errors.ts'
import { OutboundError } from './errors.ts'
import type { Resolve } from './guard.ts'
import { createGuardedAgent, createOpenAgent, resolveBySystem } from './guard.ts'

export type OutboundRequest = {
  method?: 'GET' | 'POST'
  /** Sent as application/x-www-form-urlencoded. */
  form?: Readonly<Record<string, string>>
  accept?: string
  /** The purpose for the metric: one word of a short list. */
  purpose: 'jwks' | 'logout' | 'breaches' | 'self-test'
  headers?: Readonly<Record<string, string>>
  /** A shorter time limit than the guard's, in milliseconds. */
  timeoutMs?: number
  /** Another limit than the guard's 64 KiB, for a service that the administrator has chosen. */
  maxBytes?: number
}

/** Any response of the other server except a redirect. */
export type OutboundAnswer = Readonly<{ status: number; headers: Readonly<Record<string, string>>; text: string }>

export type Outbound = Awaited<ReturnType<typeof createOutbound>>

type Deps = {
  /** Origins that may use plain http, any port and any IP address. */
  allowed: readonly AllowedOrigin[]
  metrics: Metrics
  resolve?: Resolve
  /** The maximum time from the first step to the last byte, in milliseconds. */
  timeoutMs?: number
}

const usualBytes = 64 * 1024
const perOrigin = 4
const inAll = 64

/**
 * Creates the guard and tests it on an IP address that it must refuse. Throws when the guard fails,
 * so that the server does not start.
 */
export async function createOutbound({ allowed, metrics, resolve = resolveBySystem, timeoutMs = 2_500 }: Deps) {
  const limits = { connectMs: timeoutMs, perOrigin }
  const guarded = createGuardedAgent(resolve, limits)
  const open = createOpenAgent(resolve, limits)
  const requests = new Counter({
    name: 'latchkey_outbound_requests_total',
    help: 'Requests to the outside, by purpose and outcome',
    labelNames: ['purpose', 'outcome'],
    registers: [metrics],
  })
  let underWay = 0

  /** Throws OutboundError for a URL that must not even be resolved. */
  function agentFor(url: URL): Dispatcher {
    if (url.username !== '' || url.password !== '' || url.hash !== '') throw new OutboundError('refused')
    if (allowed.some((origin) => isOf(url, origin))) return open
    if (url.protocol !== 'https:' || url.port !== '') throw new OutboundError('refused')
    return guarded
  }

  async function send(url: URL, request: OutboundRequest): Promise<OutboundAnswer> {
    const dispatcher = agentFor(url)
    if (underWay >= inAll) throw new OutboundError('busy')
    underWay += 1
    try {
      const signal = AbortSignal.timeout(Math.min(timeoutMs, request.timeoutMs ?? timeoutMs))
      const { statusCode, headers, body } = await dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: request.method ?? 'GET',
        headers: {
          'user-agent': 'Latchkey',
          ...request.headers,
          'accept-encoding': 'identity',
          ...(request.accept !== undefined && { accept: request.accept }),
          ...(request.form && { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        ...(request.form && { body: new URLSearchParams(request.form).toString() }),
        signal,
      })
      const plain = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
      if (statusCode >= 300 && statusCode < 400) {
        discard(body)
        throw new OutboundError('redirected')
      }
      return { status: statusCode, headers: plain, text: await readText(body, plain, request.maxBytes ?? usualBytes) }
    } finally {
      underWay -= 1
    }
  }

  /**
   * One request; follows no redirect and ignores proxy variables. Returns the response with any
   * status. Throws OutboundError with its reason for all other results.
   */
  async function request(target: string, about: OutboundRequest): Promise<OutboundAnswer> {
    try {
      const url = URL.parse(target)
      if (!url) throw new OutboundError('refused')
      const answer = await send(url, about)
      requests.inc({ purpose: about.purpose, outcome: 'answered' })
      return answer
    } catch (thrown) {
      const error = named(thrown)
      requests.inc({ purpose: about.purpose, outcome: error.reason })
      throw error
    }
  }

  const tried = await request('https://127.0.0.1/', { purpose: 'self-test' }).catch((error: OutboundError) => error)
  if (!(tried instanceof OutboundError) || tried.reason !== 'refused') {
    throw new Error('the guard of outbound requests does not refuse a loopback address')
  }

  return {
    request,
    close: async (): Promise<void> => {
      await Promise.all([guarded.destroy(), open.destroy()])
    },
  }
}

const isOf = (url: URL, { protocol, hostname, port }: AllowedOrigin): boolean =>
  protocol === url.protocol && hostname === url.hostname && (port === undefined || port === url.port)

/** Closes the connection. An error of the body is ignored, because it must not end the process. */
function discard(body: Dispatcher.ResponseData['body']): void {
  // The caller throws its own error.
  body.on('error', () => {})
  body.destroy()
}

async function readText(
  body: Dispatcher.ResponseData['body'],
  headers: Readonly<Record<string, string>>,
  maxBytes: number,
): Promise<string> {
  // The request allows no compression: a compressed kilobyte could contain a megabyte.
  const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity'
  if (!isPlain || Number(headers['content-length'] ?? 0) > maxBytes) {
    discard(body)
    throw new OutboundError('too_large')
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) {
      discard(body)
      throw new OutboundError('too_large')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function named(thrown: unknown): OutboundError {
  for (let error: unknown = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof OutboundError) return error
  }
  const options = { cause: thrown }
  const isTimeout =
    (thrown instanceof DOMException && (thrown.name === 'TimeoutError' || thrown.name === 'AbortError')) ||
    thrown instanceof errors.ConnectTimeoutError ||
    thrown instanceof errors.HeadersTimeoutError ||
    thrown instanceof errors.BodyTimeoutError
  const reason: OutboundReason = isTimeout ? 'timeout' : 'unreachable'
  return new OutboundError(reason, options)
}
