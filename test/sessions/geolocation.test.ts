/** The place of an IP address: only from a file that the administrator provides. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { openGeolocation } from '../../src/sessions/geolocation.ts'
import { createBrowser } from '../support/browser.ts'
import { createTestFolder } from '../support/folders.ts'
import { startLatchkey, testPassword } from '../support/latchkey.ts'
import { sentence } from '../support/sentences.ts'
import { mmdbFile } from './mmdb.ts'

const folder = createTestFolder()
const file = path.join(folder, 'places.mmdb')
const vienna = { city: { names: { en: 'Vienna', de: 'Wien' } }, country: { names: { en: 'Austria' } } }
writeFileSync(file, mmdbFile([192, 0, 2], vienna))

test('an IP address in the file has its city and country, and another one has none', async () => {
  const placeOf = await openGeolocation(file)
  expect(placeOf('192.0.2.7')).toBe('Vienna, Austria')
  for (const ip of ['198.51.100.1', '127.0.0.1', 'nonsense', '']) expect(placeOf(ip)).toBeUndefined()
})

test('a file that is not an MMDB is an error that names it', async () => {
  const wrong = path.join(folder, 'wrong.mmdb')
  writeFileSync(wrong, 'not a database')
  await expect(openGeolocation(wrong)).rejects.toMatchObject({ code: 'places_unreadable', params: { path: wrong } })
})

test.each([true, false])('the account page shows the place (configured: %s)', async (isConfigured) => {
  const server = await startLatchkey({
    env: { TRUST_PROXY: '127.0.0.1', ...(isConfigured && { GEOIP_DATABASE: file }) },
  })
  try {
    const browser = createBrowser()
    const from = { 'X-Forwarded-For': '192.0.2.7' }
    const start = await browser.follow(await browser.get(`${server.issuer}/account/sessions`))
    const done = await browser.submit(start, '/login', { email: 'alice@example.com', password: testPassword })
    const back = await browser.get(done.next!, from)
    const page = await browser.follow(await browser.get(back.next!, from))
    expect(page.body).toContain(`>${sentence('pages.own.sessions.this')}<`)
    expect(page.body.includes('Vienna, Austria')).toBe(isConfigured)
  } finally {
    await server.stop()
  }
})
