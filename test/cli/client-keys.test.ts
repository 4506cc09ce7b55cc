/** A client's weak public keys: the command line refuses them, the doctor reports stored ones. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { createTestDatabase } from '../support/database.ts'
import { createTestFolder } from '../support/folders.ts'
import { ecJwk, exponentOne, offCurve, rsaJwk } from '../support/public-keys.ts'
import { sentence } from '../support/sentences.ts'
import { runCommand } from './command-line.ts'

test('`client add` refuses weak keys with the reason; the doctor lists a client that has one', async () => {
  const database = await createTestDatabase()
  const folder = createTestFolder()
  const env = { NODE_ENV: 'test', DATABASE_URL: database.url, MASTER_KEY: '1f'.repeat(32), DATA_FOLDER: folder }
  const file = path.join(folder, 'keys.json')
  const add = (keys: unknown[]) => {
    writeFileSync(file, JSON.stringify({ keys }))
    const named = ['client', 'add', '--kind', 'machine', '--id', 'job', '--name', 'Job']
    const how = ['--auth-method', 'private_key_jwt', '--auth-signing-alg', 'ES256', '--jwks', file]
    return runCommand([...named, ...how, '--json'], { env })
  }
  const bad = await add([ecJwk(), exponentOne(), rsaJwk(1024), offCurve()])
  expect(bad.code).not.toBe(0)
  expect(JSON.parse(bad.stderr).error.problems).toEqual([
    { path: 'jwks.keys[1]', code: 'key_exponent', message: sentence('problems.key_exponent') },
    { path: 'jwks.keys[2]', code: 'key_size', message: sentence('problems.key_size') },
    { path: 'jwks.keys[3]', code: 'key_off_curve', message: sentence('problems.key_off_curve') },
  ])
  expect((await add([ecJwk()])).code).toBe(0)
  const { knex } = database.database
  const clients = async () => {
    const { checks } = (await runCommand(['doctor', '--json'], { env })).json()
    return checks.filter(({ check }: { check: string }) => check === 'clients')
  }
  expect(await clients()).not.toContainEqual(expect.objectContaining({ code: 'client_bad_key' }))
  const kept = JSON.stringify({ jwks: { keys: [ecJwk(), exponentOne()] } })
  await knex.raw(`UPDATE client SET metadata = metadata || ?::jsonb WHERE client_id = 'job'`, [kept])
  expect(await clients()).toContainEqual(
    expect.objectContaining({ status: 'warning', code: 'client_bad_key', params: { id: 'job' } }),
  )
  await database.close()
})
