/** Only the refusal of Redis makes Postgres its substitute. Every other failure is reported. */
import { ArtifactStoreUnavailable } from '../../adapters/errors.ts'
import { createLoader } from '../../adapters/load.ts'
import { createParkedRequests } from '../../adapters/parked-requests.ts'
import { refusedBy } from '../../adapters/redis/refused.ts'

const silent = new ArtifactStoreUnavailable(new Error('Redis is silent'))
const broken = new TypeError('a defect of this program')
const row = { id: Buffer.from('id'), text: '{}', issuedAt: 1, expiresAt: 2 }

test('a row that Redis refuses is returned to the caller, and a defect is thrown', async () => {
  const writing = (error: Error) => ({ write: () => Promise.reject(error) })
  expect(await refusedBy(writing(silent), [row])).toEqual([row])
  await expect(refusedBy(writing(broken), [row])).rejects.toBe(broken)
})

test('a parked request is read from Postgres after a refusal of Redis, and not after a defect', async () => {
  const taking = (error: Error) =>
    createParkedRequests({
      shortLived: { take: () => Promise.reject(error) },
      writes: { take: async () => ({ sealed: Buffer.alloc(0), expiresAt: 2 }) },
      seal: { open: () => 'parked' },
      now: () => 1,
      refuseDisagreement: () => {},
      // The stores are reduced to what `take` uses.
    } as never)
  expect(await taking(silent).take('id')).toBe('parked')
  await expect(taking(broken).take('id')).rejects.toBe(broken)
})

test('an artifact is read from Postgres after a refusal of Redis, and not after a defect', async () => {
  const artifact = { id: row.id, content: { text: '{}' } }
  const loading = (error: Error) =>
    createLoader({
      isInRedis: () => true,
      shortLived: { find: () => Promise.reject(error) },
      reads: { find: async () => ({ artifact }) },
      now: () => 1,
      // The stores are reduced to what `load` uses.
    } as never).load({ known: new Map() } as never, 'Interaction', 'token', row.id)
  expect(await loading(silent)).toBe(artifact)
  await expect(loading(broken)).rejects.toBe(broken)
})
