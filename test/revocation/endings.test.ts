/** The lists of what ends together: each ending runs, in order, and none can be omitted. */
import type { Tx } from '../../src/database/database.ts'
import type { EndingName } from '../../src/revocation/endings.ts'
import { createEndings, endingLists } from '../../src/revocation/endings.ts'

// No ending in this test uses the database.
const tx = {} as Tx

test('the endings of a cause run in the order of its list, whatever the order of their registration', async () => {
  const endings = createEndings()
  const ran: string[] = []
  const names: readonly EndingName<'accountReset'>[] = endingLists.accountReset.toReversed()
  for (const name of names) {
    endings.register('accountReset', name, async (_tx, accountId) => void ran.push(`${name} of ${accountId}`))
  }
  const end = { generation: 1 }
  await endings.run('accountReset', tx, 'alice', { preserved: {}, end })
  expect(ran).toEqual(endingLists.accountReset.map((name) => `${name} of alice`))
})

test('an ending without a registration is an error, at the start and when its cause happens', async () => {
  const endings = createEndings()
  endings.register('emailLoss', 'links', async () => {})
  expect(endings.refuseMissing).toThrow('emailLoss.knownBrowsers')
  expect(endings.refuseMissing).not.toThrow('emailLoss.links')
  await expect(endings.run('emailLoss', tx, 'alice')).rejects.toThrow('emailLoss.knownBrowsers is not registered')
})

test('an ending is registered once', () => {
  const endings = createEndings()
  endings.register('clientEnd', 'tokens', async () => {})
  expect(() => endings.register('clientEnd', 'tokens', async () => {})).toThrow('clientEnd.tokens is registered twice')
})

test('an ending that fails fails the whole end', async () => {
  const endings = createEndings()
  endings.register('clientEnd', 'tokens', () => Promise.reject(new Error('no answer')))
  await expect(endings.run('clientEnd', tx, 'web')).rejects.toThrow('no answer')
})

test('a name that is in no list does not compile', () => {
  const endings = createEndings()
  // @ts-expect-error: the cause has no such ending.
  endings.register('clientEnd', 'links', async () => {})
})
