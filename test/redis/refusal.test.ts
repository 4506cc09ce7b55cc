/** Redis that answers and refuses to write is reported with its own reason, once. */
import { createLog } from '../../src/log.ts'
import { createRedis } from '../../src/redis/connection.ts'
import { describeWith } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { startRedis } from '../support/redis.ts'

describeWith(['redis-server'], 'a Redis that refuses writes', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  test('logs the reason once until it writes again', async () => {
    const lines: string[] = []
    const log = createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } })
    const redis = createRedis({ url: server.url, log })
    expect(await redis.whenReady(10_000)).toBe(true)
    for (let count = 0; count < 2; count += 1) {
      await server.set('min-replicas-to-write', '1')
      expect([await redis.state(), await redis.state()]).toEqual(['refuses_writes', 'refuses_writes'])
      await server.set('min-replicas-to-write', '0')
      expect(await redis.state()).toBe('ok')
    }
    const told = lines.map((line) => JSON.parse(line))
    const refused = {
      level: 'warn',
      msg: 'Redis refuses writes',
      err: { message: expect.stringContaining('NOREPLICAS') },
    }
    expect(told).toMatchObject([refused, refused])
    await redis.close()
  })
})
