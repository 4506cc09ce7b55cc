/**
 * Two processes share each limit, on Postgres and with Redis. A store that crashes in the middle
 * loosens no limit.
 */
import { createDemo, demoApi } from '../faults/demo.ts'
import type { RunningServers } from '../faults/stores.ts'
import { openOnPostgres, openOnPostgresWithRedis } from '../faults/stores.ts'
import type { Page } from '../support/browser.ts'
import type { StartedProcess } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'

const minute = 60_000
/** Fewer tokens than the default, so that a slow machine can exceed the limit. */
const limited = { hasDefaultLimits: true, settings: { tokenRequestsPerMinute: 300 } }
type Pair = readonly [StartedProcess, StartedProcess]

/** Half at each process, simultaneously. */
const atOnce = <T>(times: number, [first, second]: Pair, ask: (at: StartedProcess) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: times }, (_, index) => ask(index % 2 === 0 ? first : second)))

// The lock of an address after guesses (login-throttle.test.ts) is a 429 as well.
const lookedAt = (answers: readonly Page[]) => answers.filter(({ body }) => !body.includes('too_many_requests')).length
const accepted = (answers: readonly { status: number }[]) => answers.filter(({ status }) => status !== 429).length

const offsets = new WeakMap<RunningServers, number>()

/** Moves the clocks to the start of a minute, so that no window ends while a test runs. */
function beginMinute(running: RunningServers, afterMs = 0): void {
  const offset = (offsets.get(running) ?? 0) + afterMs
  const begin = offset + minute - ((Date.now() + offset) % minute)
  running.servers.advanceClock(begin - (offsets.get(running) ?? 0))
  offsets.set(running, begin)
}

function tries(running: RunningServers) {
  const demo = createDemo(running.servers)
  const pair = running.servers.servers as unknown as Pair
  /** Guesses at one account: one page, sent to both processes. */
  async function guess(times: number, email: string): Promise<Page[]> {
    const { browser } = demo.rp
    const page = await browser.follow(await browser.get(await demo.authorizeUrl({ prompt: 'login' })))
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
    const action = /<form[^>]*action="([^"]*\/login)"/.exec(page.body)?.[1] ?? ''
    const cookies = await browser.jar.getCookieString(new URL(action, page.url).href)
    const headers = { Cookie: cookies, Origin: running.servers.issuer }
    return atOnce(times, pair, ({ url }) => browser.post(url + action, { csrf, email, password: 'no' }, headers))
  }
  // A JWT does not need Redis.
  const machineTokens = (times: number) =>
    atOnce(times, pair, (at) => demo.machineToken(at, { resource: demoApi, scope: 'api:read' }))
  return { guess, machineTokens }
}

function suite(open: () => Promise<RunningServers>) {
  let running: RunningServers
  let ask: ReturnType<typeof tries>
  beforeAll(async () => {
    running = await open()
    ask = tries(running)
  })
  afterAll(() => running?.close())

  test('of a hundred concurrent attempts at two processes twenty are checked', async () => {
    // A minute starts, so no count decreases while this runs.
    beginMinute(running)
    const answers = await ask.guess(100, 'somebody@example.com')
    expect(lookedAt(answers)).toBe(20)
    expect(answers.filter(({ status }) => status >= 500)).toEqual([])
  })

  test('a client gets its three hundred tokens from two processes together, less what one process may reserve', async () => {
    const startedAt = performance.now()
    const answers = [...(await ask.machineTokens(250)), ...(await ask.machineTokens(250))]
    const refilled = Math.ceil(((performance.now() - startedAt) / minute) * 300)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(accepted(answers))
    expect(accepted(answers)).toBeLessThanOrEqual(300 + refilled)
    // Each process may reserve a twentieth that the other one then lacks.
    expect(accepted(answers)).toBeGreaterThanOrEqual(300 - 15)
  })

  test('after a minute the full limit is available again', async () => {
    beginMinute(running, 2 * minute)
    expect(lookedAt(await ask.guess(25, 'somebody@example.com'))).toBe(20)
  })
}

describeWith('postgres', 'on Postgres', () => suite(() => openOnPostgres(2, limited)))
describeWith(['postgres', 'redis-server'], 'on Postgres with Redis', () =>
  suite(() => openOnPostgresWithRedis(2, limited)),
)

describeWith(['postgres', 'redis-server'], 'stores that are killed', () => {
  test('after a kill of Redis the limits apply in Postgres, and in Redis again when it is back', async () => {
    const running = await openOnPostgresWithRedis(2, limited)
    const ask = tries(running)
    // A minute starts, so no count decreases while this runs.
    beginMinute(running)
    const before = await ask.machineTokens(40)
    expect(accepted(before)).toBe(40)
    await running.redis.kill()
    // Postgres starts its own count. Each process still has at most a twentieth reserved from
    // Redis.
    const startedAt = performance.now()
    const answers = [...(await ask.machineTokens(400)), ...(await ask.machineTokens(400))]
    const refilled = Math.ceil(((performance.now() - startedAt) / minute) * 300)
    expect(answers.filter(({ status }) => status !== 200 && status !== 429)).toEqual([])
    expect(accepted(answers)).toBeLessThanOrEqual(300 + 2 * 15 + refilled)
    expect(accepted(answers)).toBeGreaterThan(200)
    // Redis restarts empty. The requests that each process allowed meanwhile still count.
    await running.redis.start()
    const again = performance.now()
    const afterwards = [...(await ask.machineTokens(400)), ...(await ask.machineTokens(400))]
    const most = 2 * 300 + Math.ceil(((performance.now() - again) / minute) * 2 * 300)
    expect(accepted(before) + accepted(answers) + accepted(afterwards)).toBeLessThanOrEqual(most + 2 * refilled)
    await running.close()
  })

  test('after a kill of Postgres each process enforces the limit alone, and includes what it granted before', async () => {
    const running = await openOnPostgres(2, { hasDefaultLimits: true })
    const pair = running.servers.servers as unknown as Pair
    // Counted by address before any other check; then refused, because the token is missing.
    const recover = ({ url }: StartedProcess) =>
      fetch(`${url}/recover`, { method: 'POST', body: new URLSearchParams({ email: 'a@example.com' }) })
    expect(accepted(await atOnce(10, pair, recover))).toBe(10)
    await running.postgres.kill()
    const answers = await atOnce(200, pair, recover)
    expect(answers.filter(({ status }) => status !== 403 && status !== 429)).toEqual([])
    expect(accepted(answers)).toBe(2 * (30 - 5))
    await running.close()
  })
})
