/** The Redis servers that tests start. */
import { Cluster, Redis } from 'ioredis'
import { describeWith } from './programs.ts'
import { startRedis, startRedisCluster } from './redis.ts'

describeWith('redis-server', 'Redis for a test', () => {
  test('stops and returns empty on the same port', async () => {
    const server = await startRedis()
    const client = new Redis(server.url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
    await client.set('a', '1')
    await server.kill()
    await server.start()
    expect(await client.get('a')).toBeNull()
    client.disconnect()
    await server.close()
  })

  test('is a cluster of three nodes, each with a share of the slots', async () => {
    const cluster = await startRedisCluster()
    const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
    const keys = Array.from({ length: 50 }, (_, index) => `key-${index}`)
    await Promise.all(keys.map((key) => client.set(key, key)))
    expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(keys)
    const sizes = await Promise.all(client.nodes('master').map((node) => node.dbsize()))
    expect(sizes).toHaveLength(3)
    expect(sizes.every((size) => size > 0)).toBe(true)
    client.disconnect()
    await cluster.close()
  })
})
