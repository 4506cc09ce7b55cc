/**
 * Known breaches by the range protocol, against a service that answers correctly or wrongly. No
 * test calls the live service.
 */
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Outbound } from '../../src/outbound/service.ts'
import { createOutbound } from '../../src/outbound/service.ts'
import { createBreaches } from '../../src/passwords/breaches.ts'
import { createTestClock } from '../support/clock.ts'
import type { Answer } from './breach-service.ts'
import { startBreachService } from './breach-service.ts'

type Service = Awaited<ReturnType<typeof startBreachService>>

let service: Service
let outbound: Outbound
beforeEach(async () => {
  service = await startBreachService()
  const { protocol, hostname, port } = new URL(service.url)
  outbound = await createOutbound({ allowed: [{ protocol, hostname, port }], metrics: createMetrics() })
})
afterEach(async () => {
  service.close()
  await outbound.close()
})

function createCheck(options: { outage?: 'allow' | 'refuse'; request?: Outbound['request'] } = {}) {
  const clock = createTestClock()
  const metrics = createMetrics()
  const lines: string[] = []
  const log = createLog({ level: 'trace', destination: { write: (line: string) => void lines.push(line) } })
  const { outage = 'allow', request = outbound.request } = options
  const { find, tryOut } = createBreaches({ rangeUrl: service.url, outage, request, clock, log, metrics })
  const outcomes = async () =>
    Object.fromEntries(
      [...(await metrics.metrics()).matchAll(/latchkey_breach_checks_total\{outcome="(\w+)"\} (\d+)/g)].map(
        ([, outcome, count]) => [outcome, Number(count)],
      ),
    )
  return { find, tryOut, clock, lines, outcomes }
}

const leaked = 'correct horse battery staple'

test('a request contains five characters of the SHA-1, asks for padding, and has no cookie', async () => {
  const { find } = createCheck()
  expect(await find(leaked)).toBe('clear')
  expect(service.requests).toHaveLength(1)
  const [{ method, path, headers }] = service.requests as [(typeof service.requests)[0]]
  // echo -n 'correct horse battery staple' | sha1sum
  expect([method, path]).toEqual(['GET', '/range/ABF7A'])
  expect(headers).toMatchObject({ 'add-padding': 'true', 'user-agent': 'Latchkey' })
  expect(headers).not.toHaveProperty('cookie')
})

test('a password in the response is breached; one that is absent, or has the count 0 of padding, is clear', async () => {
  service.breach(leaked)
  service.breach('padding is no breach at all', 0)
  service.breach('caf\u00e9 au lait le matin', 1)
  const { find, outcomes } = createCheck()
  expect(await find(leaked)).toBe('breached')
  expect(await find('padding is no breach at all')).toBe('clear')
  expect(await find('lanterns over the quiet river')).toBe('clear')
  expect(await find('cafe\u0301 au lait le matin')).toBe('breached')
  expect(await outcomes()).toEqual({ breached: 2, clear: 2 })
})

test('a response with small letters, plain line ends and a final line end is read', async () => {
  service.breach(leaked)
  const lines = service.linesOf(leaked)
  service.behave((response) => response.end(`${lines.join('\n').toLowerCase()}\n`))
  expect(await createCheck().find(leaked)).toBe('breached')
})

const text =
  (body: string, status = 200): Answer =>
  (response) =>
    response.writeHead(status).end(body)
const hit = `${'A'.repeat(35)}:1`
const endless: Answer = (response) => {
  // The client closes the connection when it has read enough.
  response.on('error', () => {})
  const more = () => {
    while (!response.destroyed && response.write(`${hit}\r\n`.repeat(1000)));
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}

const moods: readonly (readonly [name: string, reason: string, answer: Answer])[] = [
  ['says that it is down', 'broken', text('down', 503)],
  ['says that there are too many requests', 'broken', text('', 429)],
  ['says that it knows no such range', 'broken', text('', 404)],
  ['answers with nothing', 'broken', text('')],
  ['answers with a page', 'broken', text('<!doctype html><title>Sign in to the wireless network</title>')],
  ['answers with one line that is none', 'broken', text(`${hit}\r\n${'A'.repeat(34)}:1`)],
  ['answers without counts', 'broken', text('A'.repeat(35))],
  ['answers with a count that is none', 'broken', text(`${'A'.repeat(35)}:-1`)],
  ['answers with whole digests', 'broken', text(`${'A'.repeat(40)}:1`)],
  ['sends elsewhere', 'redirected', (response) => response.writeHead(302, { Location: 'http://localhost:1/' }).end()],
  ['hangs up', 'unreachable', (response) => response.destroy()],
  ['hangs up in the middle', 'unreachable', (response) => response.write(hit, () => response.destroy())],
  ['never ends', 'too_large', endless],
  ['is compressed', 'too_large', (response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('x')],
  ['never answers', 'timeout', () => {}],
  ['begins and never goes on', 'timeout', (response) => void response.write(hit)],
]

test.each(moods)(
  'a service that %s: the password is allowed and the log has a line, or it is refused',
  async (_mood, reason, answer) => {
    service.breach(leaked)
    service.behave(answer)
    for (const [outage, verdict] of [
      ['allow', 'clear'],
      ['refuse', 'unavailable'],
    ] as const) {
      const limits: unknown[] = []
      const request: Outbound['request'] = (url, options) => {
        limits.push(options.timeoutMs)
        return outbound.request(url, options)
      }
      const { find, lines, outcomes } = createCheck({ outage, request })
      expect(await find(leaked)).toBe(verdict)
      expect(limits).toEqual([1_000])
      expect(await outcomes()).toEqual({ [reason]: 1 })
      expect(lines.map((line) => JSON.parse(line))).toEqual([
        expect.objectContaining({ level: 'warn', reason, outage }),
      ])
      // Neither the password nor its digest is logged.
      expect(lines.join()).not.toMatch(new RegExp(`${service.prefixOf(leaked)}|correct|battery`, 'i'))
    }
  },
)

test('a range is requested once a day, and once for all requests that wait for it', async () => {
  service.breach(leaked)
  const { find, clock } = createCheck()
  expect(await Promise.all([find(leaked), find(leaked), find(leaked)])).toEqual(['breached', 'breached', 'breached'])
  expect(await find(leaked)).toBe('breached')
  expect(service.requests).toHaveLength(1)
  clock.advance(24 * 3_600_000 + 1)
  expect(await find(leaked)).toBe('breached')
  expect(service.requests).toHaveLength(2)
})

test('the cache has a bound: the oldest range is removed first', async () => {
  const asked: string[] = []
  const request: Outbound['request'] = async (ip) => {
    asked.push(ip.slice(-5))
    return { status: 200, headers: {}, text: hit }
  }
  const { find } = createCheck({ request })
  const passwords = Array.from({ length: 129 }, (_, n) => `password number ${n}`)
  for (const one of passwords) await find(one)
  expect(new Set(asked).size).toBe(129)
  await find(passwords[1]!)
  expect(asked).toHaveLength(129)
  await find(passwords[0]!)
  expect(asked).toHaveLength(130)
})

test('after a failure no request waits for the service for five seconds, and cached ranges still count', async () => {
  service.breach(leaked)
  const { find, clock, outcomes } = createCheck({ outage: 'refuse' })
  expect(await find(leaked)).toBe('breached')
  service.behave((response) => void response.destroy())
  expect(await find('lanterns over the quiet river')).toBe('unavailable')
  expect(await find('a kettle sings in the morning')).toBe('unavailable')
  expect(await find(leaked)).toBe('breached')
  expect(service.requests).toHaveLength(2)
  service.behave()
  clock.advance(5_000)
  expect(await find('lanterns over the quiet river')).toBe('clear')
  expect(await outcomes()).toEqual({ breached: 2, unreachable: 1, paused: 1, clear: 1 })
})

test('a service that hangs has at most eight requests at once', async () => {
  let held = 0
  const request: Outbound['request'] = () => {
    held += 1
    return new Promise(() => {})
  }
  const { find, outcomes } = createCheck({ request })
  for (let n = 0; n < 8; n += 1) void find(`password number ${n}`)
  expect(await find('password number 8')).toBe('clear')
  expect(held).toBe(8)
  expect(await outcomes()).toEqual({ busy: 1 })
})

test('the service can be checked without a password', async () => {
  expect(await createCheck().tryOut()).toBeUndefined()
  expect(service.requests.map(({ path }) => path)).toEqual(['/range/00000'])
  service.behave(text('<!doctype html>'))
  expect(await createCheck().tryOut()).toBe('broken')
})
