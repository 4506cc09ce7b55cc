/** Several server processes on one database. */
import { createTestDatabase } from '../support/database.ts'
import { startServers } from '../support/processes.ts'

test('two servers that start concurrently on an empty database both serve requests', async () => {
  const { url, close } = await createTestDatabase({ isEmpty: true })
  const running = await startServers(2, { databaseUrl: url })
  for (const server of running.servers) {
    const answer = await fetch(`${server.url}/.well-known/openid-configuration`)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ issuer: running.issuer })
  }
  await running.close()
  await close()
})
