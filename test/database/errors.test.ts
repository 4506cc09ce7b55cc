/** Which errors mean that the database is unavailable. */
import { isConnectionFailure } from '../../src/database/errors.ts'

const withCode = (code: string) => Object.assign(new Error('x'), { code })

test.each([
  ['a refused connection', withCode('ECONNREFUSED')],
  ['a socket that is not there', withCode('ENOENT')],
  ['every address refused', Object.assign(new AggregateError([withCode('ECONNREFUSED')]), { code: 'ECONNREFUSED' })],
  ['several failed addresses', new AggregateError([withCode('ENETUNREACH'), withCode('ETIMEDOUT')])],
  ['a server that shuts down (57P01)', withCode('57P01')],
  ['a server that starts (57P03)', withCode('57P03')],
  ['too many connections (53300)', withCode('53300')],
  ['a primary that has become a standby (25006)', withCode('25006')],
  ['a broken connection (08006)', withCode('08006')],
  ['a connection that ends', new Error('Connection terminated unexpectedly')],
  ['a pool without a free connection', new Error('timeout exceeded when trying to connect')],
])('%s counts as an unavailable database', (_name, error) => {
  expect(isConnectionFailure(error)).toBe(true)
})

test.each([
  ['a unique violation', withCode('23505')],
  ['a syntax error', withCode('42601')],
  ['a wrong password', withCode('28P01')],
  ['an error of ours that quotes the driver', Object.assign(new Error('timeout expired'), { code: 'other' })],
  ['any other error', new TypeError('x is not a function')],
  ['nothing', undefined],
])('%s does not count as an unavailable database', (_name, error) => {
  expect(isConnectionFailure(error)).toBe(false)
})
