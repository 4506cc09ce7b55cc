/** Standard output that cannot be written: a full disk is an error, a closed pipe is none. */
import { Readable, Writable } from 'node:stream'
import { runCli } from '../../src/cli/run.ts'
import type { TestDatabase } from '../support/database.ts'
import { createTestDatabase } from '../support/database.ts'

let own: TestDatabase
beforeAll(async () => {
  own = await createTestDatabase()
})
afterAll(() => own.close())

async function runInto(code: string, argv: readonly string[]) {
  let said = ''
  const stdout = new Writable({
    highWaterMark: 1,
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('not written'), { code })),
  })
  const stderr = new Writable({
    write: (chunk, _encoding, done) => {
      said += String(chunk)
      done()
    },
  })
  const env = { NODE_ENV: 'test', DATABASE_URL: own.url, MASTER_KEY: 'ab'.repeat(32) }
  // A command only writes to these streams.
  const io = { stdin: Readable.from([]), stdout, stderr } as never
  return { exitCode: await runCli({ argv, env, io }), said }
}

const commands = [
  ['client', 'list', '--json'],
  ['user', 'export', '-', '--json'],
]

test.each(commands)('%s %s into a full disk fails with output_unwritable', async (...argv) => {
  await own.database.knex('account').insert(account()).onConflict().ignore()
  const { exitCode, said } = await runInto('ENOSPC', argv)
  expect([exitCode, JSON.parse(said).error.code]).toEqual([1, 'output_unwritable'])
})

test.each(commands)('%s %s into a closed pipe exits with 0 and no message', async (...argv) => {
  await own.database.knex('account').insert(account()).onConflict().ignore()
  expect(await runInto('EPIPE', argv)).toEqual({ exitCode: 0, said: '' })
})

function account() {
  const email = 'alice@example.com'
  return { id: '0190a000-0000-7000-8000-000000000001', email, email_key: email, created_at: 1, updated_at: 1 }
}
