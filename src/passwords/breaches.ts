/**
 * Checks a password for known breaches with the range protocol of Pwned Passwords. The service gets
 * five hexadecimal characters of the SHA-1 and returns all digests with them.
 */
import { createHash } from 'node:crypto'
import { Counter } from 'prom-client'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Outbound } from '../outbound/service.ts'
import { normalizePassword } from './composition-rules.ts'

/**
 * `unavailable`: the service failed and the operator wants a refusal. If an outage is allowed, the
 * verdict is `clear`.
 */
export type Verdict = 'clear' | 'breached' | 'unavailable'
export type Breaches = ReturnType<typeof createBreaches>

type Deps = {
  /** The request appends five hexadecimal characters. */
  rangeUrl: string
  outage: 'allow' | 'refuse'
  request: Outbound['request']
  clock: Clock
  log: Log
  metrics: Metrics
}

const timeoutMs = 1_000
/** An answer has about 1,500 lines of 40 characters, plus padding. */
const maxBytes = 256 * 1024
const cacheMs = 24 * 3_600_000
/** About 30 KiB each. */
const maxKept = 128
/** After a failure, no requests for this time: otherwise every sign-in waits for the timeout. */
const pauseMs = 5_000
const maxConcurrent = 8

/** The other 35 hexadecimal characters of a digest are 17.5 bytes. */
const tailBytes = 18
const line = /^([0-9A-F]{35}):(\d{1,12})$/i

/** The concatenated tails of the breached digests of one range. */
type Range = Readonly<{ tails: Buffer; atMs: number }>

class BrokenAnswer extends Error {
  readonly reason = 'broken'
}

export function createBreaches({ rangeUrl, outage, request, clock, log, metrics }: Deps) {
  const ranges = new Map<string, Range>()
  const underWay = new Map<string, Promise<Range>>()
  let pausedUntilMs = 0
  const checks = new Counter({
    name: 'latchkey_breach_checks_total',
    help: 'Passwords that were looked up in known breaches, by outcome; every outcome but clear and breached is an outage',
    labelNames: ['outcome'],
    registers: [metrics],
  })

  async function ask(prefix: string): Promise<Range> {
    const answer = await request(`${rangeUrl}${prefix}`, {
      purpose: 'breaches',
      accept: 'text/plain',
      // Without padding, the length of the answer reveals the range to an eavesdropper.
      headers: { 'add-padding': 'true' },
      timeoutMs,
      maxBytes,
    })
    if (answer.status !== 200) throw new BrokenAnswer(`status ${answer.status}`)
    const range = { tails: readRange(answer.text), atMs: clock.now() }
    ranges.set(prefix, range)
    const [oldest] = ranges.keys()
    if (ranges.size > maxKept && oldest !== undefined) ranges.delete(oldest)
    return range
  }

  function rangeOf(prefix: string): Promise<Range> {
    const cached = ranges.get(prefix)
    if (cached && clock.now() - cached.atMs < cacheMs && clock.now() >= cached.atMs) return Promise.resolve(cached)
    const asked = underWay.get(prefix)
    if (asked) return asked
    if (clock.now() < pausedUntilMs) return Promise.reject(new RequestSkipped('paused'))
    if (underWay.size >= maxConcurrent) return Promise.reject(new RequestSkipped('busy'))
    const asking = ask(prefix).finally(() => underWay.delete(prefix))
    underWay.set(prefix, asking)
    return asking
  }

  return {
    /** Tests the service. Returns a short reason for a failure, or undefined. */
    tryOut: async (): Promise<string | undefined> => rangeOf('00000').then(() => undefined, reasonOf),

    /** Throws like normalizePassword. A failure of the service is a verdict, not an error. */
    find: async (password: string): Promise<Verdict> => {
      const digest = createHash('sha1').update(normalizePassword(password)).digest()
      try {
        const { tails } = await rangeOf(digest.toString('hex').slice(0, 5).toUpperCase())
        const verdict = isAmong(tails, tailOf(digest.toString('hex').slice(5))) ? 'breached' : 'clear'
        checks.inc({ outcome: verdict })
        return verdict
      } catch (error) {
        const reason = reasonOf(error)
        checks.inc({ outcome: reason })
        if (!(error instanceof RequestSkipped)) {
          pausedUntilMs = clock.now() + pauseMs
          // Logs neither password nor range: five characters of a digest reveal part of it.
          log.warn({ reason, outage }, 'passwords cannot be looked up in known breaches')
        }
        return outage === 'allow' ? 'clear' : 'unavailable'
      }
    },
  }
}

const reasonOf = (error: unknown): string => String((error as { reason?: unknown }).reason ?? 'unreachable')

/** The request was not sent. */
class RequestSkipped extends Error {
  readonly reason: 'paused' | 'busy'
  constructor(reason: 'paused' | 'busy') {
    super(`breach check ${reason}`)
    this.reason = reason
  }
}

/** 35 hexadecimal characters are not whole bytes, so a zero comes first. */
const tailOf = (suffix: string): Buffer => Buffer.from(`0${suffix}`, 'hex')

/**
 * Every line must follow the protocol. A count of 0 is padding. An empty answer is an error,
 * because every range has breached passwords.
 */
function readRange(text: string): Buffer {
  const tails: Buffer[] = []
  const lines = text.replace(/\r?\n$/, '').split(/\r?\n/)
  for (const text of lines) {
    const [, suffix, count] = line.exec(text) ?? []
    if (suffix === undefined) throw new BrokenAnswer('not the range protocol')
    if (Number(count) > 0) tails.push(tailOf(suffix))
  }
  return Buffer.concat(tails)
}

function isAmong(tails: Buffer, wanted: Buffer): boolean {
  for (let at = 0; at < tails.length; at += tailBytes) {
    if (tails.compare(wanted, 0, tailBytes, at, at + tailBytes) === 0) return true
  }
  return false
}
