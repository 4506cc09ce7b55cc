/** A factor is one folder, one line of the list, its table and its sentences, and no more. */
import { claimsIn } from '../oidc/support.ts'
import { createBrowser } from '../support/browser.ts'
import type { Latchkey } from '../support/latchkey.ts'
import { createRelyingParty, startLatchkey } from '../support/latchkey.ts'
import { plantedSentences, plantFactor, plantTable } from './planted-factor/index.ts'
import { acr, goodPassword, operator, toFactor } from './setup.ts'

let server: Latchkey
beforeAll(async () => {
  plantFactor()
  server = await startLatchkey()
  await plantTable(server.database.knex)
  const { t, has } = server.parts.sentences
  Object.assign(server.parts.sentences, {
    t: (key: string, params?: Parameters<typeof t>[1]) => plantedSentences[key] ?? t(key, params),
    has: (key: string) => key in plantedSentences || has(key),
  })
})
afterAll(() => server?.stop())

const chosen = 'heliotrope'
const page = (path: string) => `${server.issuer}${path}`

async function person(name: string) {
  const email = `${name}@words.example`
  const id = await server.parts.accounts.create({ email, isEmailVerified: true, password: goodPassword }, operator)
  return { id, email, password: goodPassword }
}

/** Sets up the word on the account page. */
async function holder(name: string) {
  const who = await person(name)
  const { email, password } = who
  const browser = createBrowser()
  const login = await browser.follow(await browser.get(page('/account/factors')))
  const factors = await browser.follow(await browser.submit(login, '/login', { email, password }))
  expect(factors.body).toContain('<section id="word">')
  const offered = await browser.get(page('/account/factors/word'))
  const refused = await browser.submit(offered, '/word', { word: 'no' })
  expect([refused.status, refused.body.includes('role="alert"')]).toEqual([400, true])
  const codes = await browser.submit(refused, '/word', { word: chosen })
  const recoveryCodes = codes.body.match(/[0-9A-Z]{6}(-[0-9A-Z]{6}){3}/g) ?? []
  expect([codes.status, recoveryCodes.length]).toEqual([200, 10])
  return { ...who, recoveryCodes }
}

/** Answers the factor, and continues to the client. */
async function signIn(who: { email: string; password: string }, answer: Record<string, string>) {
  const { page: asked, ...rp } = await toFactor(server, who)
  const answered = await rp.browser.submit(asked, '/factor', answer)
  expect(answered.status).toBe(200)
  const { code } = await rp.complete(answered)
  return { ...rp, claims: claimsIn((await rp.exchange(code!)).body.id_token) }
}

test('a new factor is set up on the account page, required at a sign-in, reported to the client, and removed', async () => {
  const who = await holder('whole')
  const { browser, claims } = await signIn(who, { word: chosen })
  expect(claims).toMatchObject({ sub: who.id, acr: acr.mfa, amr: ['pwd', 'kba', 'mfa'] })

  const events = await browser.follow(await browser.get(page('/account/events')))
  expect(events.body).toContain(plantedSentences['emails.method.word'])

  const listed = await browser.get(page('/account/factors'))
  const removed = await browser.follow(await browser.submit(listed, '/word/remove'))
  expect(removed.status).toBe(200)
  const tokens = await createRelyingParty(server).signIn({}, who)
  expect(claimsIn(tokens.id_token)).toMatchObject({ acr: acr.password, amr: ['pwd'] })
})

test('wrong answers of a new factor are counted and disable it, and the owner enables it again', async () => {
  const who = await holder('counted')
  const { page: asked, browser } = await toFactor(server, who)
  const wrong = await browser.submit(asked, '/factor', { word: 'another' })
  expect(wrong.status).toBe(400)
  const failures = () =>
    server.database.knex('factor_failure').where({ account_id: who.id }).select('method', 'failures')
  expect(await failures()).toEqual([{ method: 'word', failures: 1 }])
  await server.database.knex('factor_failure').where({ account_id: who.id }).update({ failures: 100 })

  const off = await toFactor(server, who)
  expect(off.page.body).toContain(plantedSentences['pages.factor.off.word'])
  expect(off.page.body).not.toContain('name="word"')
  const other = await signIn(who, { code: who.recoveryCodes[0]! })
  const listed = await other.browser.follow(await other.browser.get(page('/account/factors')))
  expect(listed.body).toContain(plantedSentences['pages.own.factors.off.heading.word'])
  await other.browser.submit(listed, '/switch-on')
  expect(await failures()).toEqual([])
  expect((await signIn(who, { word: chosen })).claims).toMatchObject({ amr: ['pwd', 'kba', 'mfa'] })
})

test('a new factor is set up at a sign-in that requires a factor', async () => {
  const who = await person('at-login')
  await server.parts.factors.require(who.id, true, operator)
  const { page: asked, ...rp } = await toFactor(server, who)
  const refused = await rp.browser.submit(asked, '/enrol-word', { word: 'no' })
  expect(refused.status).toBe(400)
  const codes = await rp.browser.submit(refused, '/enrol-word', { word: chosen })
  const { code } = await rp.complete(await rp.browser.submit(codes, '/enrolled'))
  expect(claimsIn((await rp.exchange(code!)).body.id_token)).toMatchObject({ amr: ['pwd', 'kba', 'mfa'] })
})

test('a stronger class neither offers nor accepts a new factor', async () => {
  const who = await person('above')
  const { page: asked, browser } = await toFactor(server, who, {
    claims: JSON.stringify({ id_token: { acr: { essential: true, value: acr.phishingResistant } } }),
  })
  expect(asked.body).not.toContain('/enrol-word')
  const csrf = /name="csrf" value="([^"]+)"/.exec(asked.body)![1]!
  expect((await browser.post(`${asked.url}/enrol-word`, { csrf, word: chosen })).status).toBe(403)
})

test('the secret of a new factor is encrypted, at a location that a change of the master key covers', async () => {
  const who = await holder('sealed')
  const { sealedLocations } = await import('../../src/cli/sealed-locations.ts')
  const values = await sealedLocations.find(({ name }) => name === 'word')!.list(server.database.knex, undefined, 100)
  const { sealed, aad } = values.find(({ key }) => key === who.id)!
  expect(sealed.includes(chosen)).toBe(false)
  expect(server.parts.sealer.open(sealed, aad).toString()).toBe(chosen)
})

test('a reset by an operator removes a new factor', async () => {
  const who = await holder('reset')
  expect(await server.parts.factors.reset(who.id, operator)).toEqual(['word'])
  expect(await server.database.knex('word').where({ account_id: who.id })).toEqual([])
})
