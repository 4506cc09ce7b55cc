/**
 * Two server processes on one database, for each store: what works once works once, and one process
 * may crash without the other.
 */
import type { Servers, StartedProcess } from '../support/processes.ts'
import { describeWith } from '../support/programs.ts'
import { createDemo } from './demo.ts'
import type { RunningServers } from './stores.ts'
import { openOnEmbedded, openOnPostgres, openOnPostgresWithRedis } from './stores.ts'

const times = 50

/** 25 at each process, simultaneously. */
const atOnce = <T>({ servers }: Servers, ask: (at: StartedProcess) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: times }, (_, index) => ask(servers[index % 2]!)))

function suite(open: () => Promise<RunningServers>) {
  let running: RunningServers
  let servers: Servers
  beforeAll(async () => {
    running = await open()
    servers = running.servers
  })
  afterAll(() => running?.close())

  test(`of ${times} redemptions of one code exactly one succeeds, and the others end its tokens`, async () => {
    const demo = createDemo(servers)
    const code = await demo.code()
    const answers = await atOnce(servers, (at) => demo.exchange(at, code))
    const winners = answers.filter(({ status }) => status === 200)
    expect(winners).toHaveLength(1)
    for (const { status, body } of answers)
      expect(status === 200 || (status === 400 && body.error === 'invalid_grant')).toBe(true)
    const [{ body }] = winners as [(typeof winners)[0]]
    for (const at of servers.servers) {
      expect((await demo.userinfo(at, body.access_token)).status).toBe(401)
      expect(await demo.refresh(at, body.refresh_token)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      })
    }
  })

  test('the access token of a code that is used again at the other process is refused by both at once', async () => {
    const demo = createDemo(servers)
    const [first, second] = servers.servers as [StartedProcess, StartedProcess]
    for (const scope of ['openid', 'openid offline_access']) {
      const code = await demo.code({ scope })
      const { access_token: token } = (await demo.exchange(first, code)).body
      for (const at of [first, second]) expect((await demo.userinfo(at, token)).status).toBe(200)
      servers.advanceClock(40_000)
      expect(await demo.exchange(second, code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
      for (const at of [first, second]) expect((await demo.userinfo(at, token)).status).toBe(401)
    }
  })

  test(`${times} uses of one refresh token all get the same successor, and it is valid`, async () => {
    const demo = createDemo(servers)
    const tokens = (await demo.exchange(servers.servers[0]!, await demo.code())).body
    const answers = await atOnce(servers, (at) => demo.refresh(at, tokens.refresh_token))
    expect(answers.map(({ status }) => status)).toEqual(Array(times).fill(200))
    const successors = new Set(answers.map(({ body }) => body.refresh_token as string))
    expect(successors.size).toBe(1)
    const [living] = successors
    expect(await demo.refresh(servers.servers[1]!, living!)).toMatchObject({ status: 200 })
  })

  test('after the window a reuse at either process ends the family', async () => {
    const demo = createDemo(servers)
    const [first, second] = servers.servers as [StartedProcess, StartedProcess]
    const tokens = (await demo.exchange(first, await demo.code())).body
    const turned = (await demo.refresh(first, tokens.refresh_token)).body
    servers.advanceClock(31_000)
    expect(await demo.refresh(second, tokens.refresh_token)).toMatchObject({ status: 400 })
    expect(await demo.refresh(first, turned.refresh_token)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
  })

  test('the kill of a process loses no data, and the process starts again', async () => {
    const demo = createDemo(servers)
    const [first, second] = servers.servers as [StartedProcess, StartedProcess]
    const tokens = (await demo.exchange(second, await demo.code())).body
    await second.kill('SIGKILL')
    const turned = await demo.refresh(first, tokens.refresh_token)
    expect(turned.status).toBe(200)
    await second.restart()
    expect((await demo.refresh(second, turned.body.refresh_token)).status).toBe(200)
  })
}

describe('on the embedded Postgres of the tests', () => suite(() => openOnEmbedded(2)))
describeWith('postgres', 'on a Postgres server', () => suite(() => openOnPostgres(2)))
describeWith(['postgres', 'redis-server'], 'on a Postgres server with Redis', () =>
  suite(() => openOnPostgresWithRedis(2)),
)
